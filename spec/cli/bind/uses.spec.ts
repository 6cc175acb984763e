import { expect } from 'chai';
import { bind } from '../../../cli/bind/bind.js';
import { usesOf } from '../../../cli/bind/uses.js';
import { findPciDevice } from '../../../binding/index.js';
import { rejected } from '../support/rejected.js';
import { FakeKernel, Lines } from './fake-kernel.js';

const DISK = '0000:01:00.0';
const CARD = '0000:02:00.0';

describe('a device in use', () => {
  let kernel: FakeKernel;
  beforeEach(() => {
    kernel = new FakeKernel();
    kernel.device(DISK, { group: 1, driver: 'nvme', class: '0x010802' });
    kernel.device(CARD, { group: 2, driver: 'e1000e' });
  });
  afterEach(() => {
    kernel[Symbol.dispose]();
  });

  /** A disk below a device, or below any other folder of sysfs. */
  function disk(name: string, number: string, folder = `bus/pci/devices/${DISK}/nvme/nvme0`): void {
    kernel.file('sys', `${folder}/${name}/dev`, `${number}\n`);
    kernel.link('sys', `class/block/${name}`, `${kernel.roots.sys}/${folder}/${name}`);
  }
  const mount = (number: string, place: string, rest: string, of = 'self'): void => {
    kernel.file('proc', `${of}/mountinfo`, `36 35 ${number} / ${place} rw,noatime shared:1 - ${rest} rw\n`);
  };
  const uses = (address: string): readonly string[] => usesOf(findPciDevice(address, kernel.roots.sys), kernel.roots);

  it('is not one whose disks and interfaces rest', () => {
    disk('nvme0n1', '259:0');
    kernel.file('sys', `bus/pci/devices/${CARD}/net/eth0/flags`, '0x1002\n');
    kernel.link('sys', 'class/net/eth0', `${kernel.roots.sys}/bus/pci/devices/${CARD}/net/eth0`);
    mount('8:1', '/', 'ext4 /dev/sda1');
    expect(uses(DISK)).to.deep.equal([]);
    expect(uses(CARD)).to.deep.equal([]);
  });

  it('has a mounted disk: by its number, by its name, and in the first process’s view', () => {
    disk('nvme0n1p2', '259:2');
    mount('259:2', '/', 'ext4 /dev/root');
    expect(uses(DISK)).to.deep.equal(['nvme0n1p2 is mounted on /']);
    mount('0:40', '/home', 'btrfs /dev/nvme0n1p2');
    expect(uses(DISK)).to.deep.equal(['nvme0n1p2 is mounted on /home']);
    mount('8:1', '/', 'ext4 /dev/sda1');
    mount('259:2', '/srv', 'ext4 /dev/nvme0n1p2', '1');
    expect(uses(DISK)).to.deep.equal(['nvme0n1p2 is mounted on /srv']);
    expect(uses(CARD)).to.deep.equal([]);
  });

  it('has a disk that is swap space, or part of a volume', () => {
    disk('nvme0n1', '259:0');
    kernel.file('proc', 'swaps', 'Filename Type Size Used Priority\n/dev/nvme0n1 partition 8 0 -2\n');
    kernel.file('sys', `bus/pci/devices/${DISK}/nvme/nvme0/nvme0n1/holders/dm-0/x`);
    expect(uses(DISK)).to.deep.equal(['nvme0n1 is swap space', 'nvme0n1 is part of dm-0']);
  });

  it('has a disk with several paths, which sysfs shows elsewhere', () => {
    disk('nvme1n1', '259:7', 'devices/virtual/nvme-subsystem/nvme-subsys1');
    kernel.link(
      'sys',
      'devices/virtual/nvme-subsystem/nvme-subsys1/nvme1',
      `${kernel.roots.sys}/bus/pci/devices/${DISK}/nvme/nvme1`,
    );
    kernel.file('sys', `bus/pci/devices/${DISK}/nvme/nvme1/state`, 'live\n');
    mount('259:7', '/', 'xfs /dev/nvme1n1');
    expect(uses(DISK)).to.deep.equal(['nvme1n1 is mounted on /']);
  });

  it('has an interface that is up, a shared folder that is mounted, or the display of the machine', () => {
    kernel.file('sys', `bus/pci/devices/${CARD}/net/eth0/flags`, '0x1003\n');
    kernel.link('sys', 'class/net/eth0', `${kernel.roots.sys}/bus/pci/devices/${CARD}/net/eth0`);
    expect(uses(CARD)).to.deep.equal(['network interface eth0 is up']);
    kernel.file('sys', `bus/pci/devices/${CARD}/net/eth0/flags`, '0x1002\n');
    kernel.file('sys', `bus/pci/devices/${CARD}/virtio3/mount_tag`, 'host\0');
    mount('0:20', '/', '9p host');
    expect(uses(CARD)).to.deep.equal(['the shared folder host is mounted on /']);
    kernel.link('sys', 'fs/virtiofs/1/device', `${kernel.roots.sys}/bus/pci/devices/${CARD}/virtio3`);
    kernel.file('sys', 'fs/virtiofs/1/tag', 'home\n');
    mount('0:21', '/home', 'virtiofs home');
    expect(uses(CARD)).to.deep.equal(['the shared folder home is mounted on /home']);
    mount('8:1', '/', 'ext4 /dev/sda1');
    kernel.file('sys', `bus/pci/devices/${CARD}/boot_vga`, '1\n');
    expect(uses(CARD)).to.deep.equal(['it is the display that the machine was started with']);
  });

  it('is refused with all reasons, alone, in its group, and in a dry run; --force binds it', async () => {
    disk('nvme0n1', '259:0');
    mount('259:0', '/', 'ext4 /dev/nvme0n1');
    for (const options of [{}, { group: true }, { dryRun: true }]) {
      const { message } = await rejected(bind(DISK, options, kernel, new Lines()));
      expect(message).to.equal(
        `nothing was changed: ${DISK} is in use: nvme0n1 is mounted on /; if that does no harm, use --force`,
      );
    }
    expect(kernel.performed).to.deep.equal([]);
    await bind(DISK, { force: true }, kernel, new Lines());
    expect(kernel.state(DISK)).to.equal('vfio-pci, vfio-pci');
  });
});
