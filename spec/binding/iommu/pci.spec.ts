import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { findPciDevice, foreignMembers, groupMembers, parsePciAddress } from '../../../binding/index.js';
import { bindCommands } from '../../../binding/iommu/bind-steps.js';
import { dmaError } from '../support/thrown.js';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

describe('PCI devices', () => {
  let sysfs: string;

  /** Makes a device as sysfs shows it. */
  function device(address: string, group: number | undefined, driver: string | undefined, vfio?: number): void {
    const folder = join(sysfs, 'bus/pci/devices', address);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'vendor'), '0x1234\n');
    writeFileSync(join(folder, 'device'), '0x11e8\n');
    if (driver !== undefined) {
      symlinkSync(`../../../../bus/pci/drivers/${driver}`, join(folder, 'driver'));
    }
    if (group !== undefined) {
      symlinkSync(`../../../../kernel/iommu_groups/${group}`, join(folder, 'iommu_group'));
      mkdirSync(join(sysfs, `kernel/iommu_groups/${group}/devices/${address}`), { recursive: true });
    }
    if (vfio !== undefined) {
      mkdirSync(join(folder, `vfio-dev/vfio${vfio}`), { recursive: true });
    }
  }

  beforeEach(() => {
    sysfs = temporaryFolder('sysfs-');
  });

  afterEach(() => {
    rmSync(sysfs, { recursive: true });
  });

  it('are found by their address, with or without the domain', () => {
    device('0000:00:04.0', 7, 'vfio-pci', 3);
    const found = { address: '0000:00:04.0', id: '1234:11e8', driver: 'vfio-pci', iommuGroup: 7, vfioNumber: 3 };
    expect(findPciDevice('0000:00:04.0', sysfs)).to.deep.equal(found);
    expect(findPciDevice('00:04.0', sysfs)).to.deep.equal(found);
  });

  it('without IOMMU, driver or VFIO are described as such', () => {
    device('0000:00:04.0', undefined, undefined);
    expect(findPciDevice('00:04.0', sysfs)).to.deep.equal({
      address: '0000:00:04.0',
      id: '1234:11e8',
      driver: undefined,
      iommuGroup: undefined,
      vfioNumber: undefined,
    });
  });

  it('that are not there are an error', () => {
    expect(dmaError(() => findPciDevice('00:04.0', sysfs))).to.include({ code: 'ENODEV' });
  });

  it('have addresses of one form', () => {
    expect(parsePciAddress('AB:1F.7')).to.equal('0000:ab:1f.7');
    expect(parsePciAddress('10000:e1:00.0')).to.equal('10000:e1:00.0');
    for (const text of ['', '4', '00:04', '00:04.8', '00:20.0', '0000:00:04.0/..', '../..', ' 00:04.0', '00:04.0\n']) {
      expect(() => parsePciAddress(text), JSON.stringify(text)).to.throw(RangeError, 'PCI address');
    }
    expect(() => parsePciAddress(4 as never)).to.throw(TypeError, 'pciAddress');
  });

  it('of a group are listed; those that other drivers hold are told apart', () => {
    device('0000:01:00.0', 5, 'vfio-pci', 0);
    device('0000:01:00.1', 5, 'snd_hda_intel');
    device('0000:01:00.2', 5, undefined);
    device('0000:01:00.3', 5, 'mlx5_vfio_pci', 1);
    device('0000:00:01.0', 5, 'pcieport');
    device('0000:02:00.0', 6, 'nvme');
    expect(groupMembers(5, sysfs)).to.have.length(5);
    expect(foreignMembers(5, sysfs).map(({ address }) => address)).to.deep.equal(['0000:01:00.1']);
    expect(groupMembers(99, sysfs)).to.deep.equal([]);
  });

  it('come with the commands that hand them to vfio-pci', () => {
    device('0000:02:00.0', 6, 'nvme');
    const commands = bindCommands(findPciDevice('02:00.0', sysfs));
    expect(commands).to.contain('echo vfio-pci > /sys/bus/pci/devices/0000:02:00.0/driver_override');
    expect(commands).to.contain('echo 0000:02:00.0 > /sys/bus/pci/devices/0000:02:00.0/driver/unbind');
    expect(commands).to.match(/drivers_probe$/);
  });
});
