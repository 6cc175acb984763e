import { expect } from 'chai';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

const DEVICES = '/sys/bus/pci/devices';

describe('the machine under test', () => {
  const edu = readdirSync(DEVICES).filter(
    (address) => readFileSync(join(DEVICES, address, 'device'), 'utf8').trim() === '0x11e8',
  );

  it('does not check its timer, which may look broken on a busy host', () => {
    expect(readFileSync('/proc/cmdline', 'utf8').split(/\s+/)).to.include('no_timer_check');
  });

  it('has type1 and iommufd', () => {
    expect(existsSync('/dev/vfio/vfio')).to.equal(true);
    expect(existsSync('/dev/iommu')).to.equal(true);
  });

  it('has two devices that do DMA, in two IOMMU groups, bound to vfio-pci', () => {
    expect(edu).to.deep.equal(['0000:00:04.0', '0000:00:05.0']);
    const groups = edu.map((address) => basename(readlinkSync(join(DEVICES, address, 'iommu_group'))));
    expect(new Set(groups).size).to.equal(2);
    for (const address of edu) {
      expect(basename(readlinkSync(join(DEVICES, address, 'driver')))).to.equal('vfio-pci');
    }
  });
});
