import { readdirSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import {
  findPciDevice,
  foreignMembers,
  groupMembers,
  Iommufd,
  VfioContainer,
  VfioDevice,
  VfioGroup,
} from '../../binding/index.js';
import { bindCommands } from '../../binding/iommu/bind-steps.js';
import { DmaError, RegionManager } from '../../streams/index.js';
import { AssignedDevices } from '../../targets/index.js';
import { dmaError } from '../binding/support/thrown.js';

/** Two devices behind one conventional bridge: the guest has them for this. */
function neighbours(): readonly [string, string] {
  for (const address of readdirSync('/sys/bus/pci/devices')) {
    const { iommuGroup } = findPciDevice(address);
    const members = iommuGroup === undefined ? [] : groupMembers(iommuGroup);
    const [first, second] = members.filter(({ driver }) => driver === 'virtio-pci');
    if (first !== undefined && second !== undefined) {
      return [first.address, second.address];
    }
  }
  throw new Error('the guest has no group with two devices');
}

describe('a group that another driver holds a member of', () => {
  const [ours, foreign] = neighbours();

  beforeEach(() => {
    execFileSync('/bin/sh', ['-c', bindCommands(findPciDevice(ours))], { stdio: 'ignore' });
  });

  afterEach(() => {
    for (const address of [ours, foreign]) {
      writeFileSync(`/sys/bus/pci/devices/${address}/driver_override`, '\n');
      if (findPciDevice(address).driver === 'vfio-pci') {
        writeFileSync(`/sys/bus/pci/devices/${address}/driver/unbind`, address);
      }
      writeFileSync('/sys/bus/pci/drivers_probe', address);
      expect(findPciDevice(address).driver).to.equal('virtio-pci');
    }
  });

  it('is not viable, and the hint names the member and how to free it', () => {
    const number = findPciDevice(ours).iommuGroup ?? -1;
    expect(foreignMembers(number).map(({ address }) => address)).to.deep.equal([foreign]);
    using container = VfioContainer.open();
    using group = VfioGroup.forDevice(ours);
    expect(group.viable).to.equal(false);
    const byGroup = dmaError(() => {
      container.addGroup(group);
    });
    group.close();
    using iommufd = Iommufd.open();
    const byDevice = dmaError(() => VfioDevice.openCdev(ours, iommufd));
    for (const error of [byGroup, byDevice]) {
      expect(error.code).to.be.oneOf(['EPERM', 'EBUSY', 'EINVAL']);
      expect(error.hint).to.contain(foreign).and.to.contain('driver_override').and.to.contain('unbind');
    }
  });

  for (const through of ['type1', 'iommufd'] as const) {
    it(`is refused through ${through}, and taken after the commands of the hint`, async () => {
      await using manager = new RegionManager();
      await using assigned = new AssignedDevices(manager, { by: 'auto' });
      const error: unknown = await assigned.add(ours, { through }).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(DmaError);
      const commands = /As root: (.*)$/.exec((error as DmaError).hint ?? '')?.[1];
      expect(commands, (error as DmaError).hint).to.contain(foreign);
      execFileSync('/bin/sh', ['-c', commands ?? ''], { stdio: 'ignore' });
      using container = VfioContainer.open();
      using group = VfioGroup.forDevice(ours);
      expect(group.viable).to.equal(true);
      container.addGroup(group);
    });
  }
});
