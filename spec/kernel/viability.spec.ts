import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { findPciDevice, foreignMembers, Iommufd, VfioContainer, VfioDevice, VfioGroup } from '../../binding/index.js';
import type { PciDevice } from '../../binding/index.js';
import { dmaError } from '../binding/support/thrown.js';

/** A device bound to vfio-pci whose IOMMU group another driver holds a member of. */
function unviableDevice(): PciDevice | undefined {
  return readdirSync('/sys/bus/pci/devices')
    .map((address) => findPciDevice(address))
    .find(
      ({ vfioNumber, iommuGroup }) =>
        vfioNumber !== undefined && iommuGroup !== undefined && foreignMembers(iommuGroup).length > 0,
    );
}

describe('a group that another driver holds a member of', () => {
  it('is not viable, and the hint names the member and how to free it', function () {
    const device = unviableDevice();
    if (device === undefined) {
      // It takes a bridge with two devices behind it, one of them with a driver.
      this.skip();
    }
    const foreign = foreignMembers(device.iommuGroup ?? -1).map(({ address }) => address);
    using container = VfioContainer.open();
    using group = VfioGroup.forDevice(device.address);
    expect(group.viable).to.equal(false);
    const byGroup = dmaError(() => {
      container.addGroup(group);
    });
    group.close();
    using iommufd = Iommufd.open();
    const byDevice = dmaError(() => VfioDevice.openCdev(device.address, iommufd));
    for (const error of [byGroup, byDevice]) {
      expect(error.code).to.be.oneOf(['EPERM', 'EBUSY', 'EINVAL']);
      expect(error.hint).to.contain(foreign[0]).and.to.contain('driver_override').and.to.contain('unbind');
    }
  });
});
