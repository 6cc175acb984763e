import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { Iommufd, VfioContainer, VfioDevice, VfioGroup } from '../../../binding/index.js';
import { dmaError } from '../support/thrown.js';

describe('a machine without VFIO or iommufd', () => {
  it('is told what to load for VFIO', function () {
    if (existsSync('/dev/vfio/vfio')) {
      this.skip();
    }
    const error = dmaError(() => VfioContainer.open());
    expect(error).to.include({ code: 'ENOENT', errno: -2, syscall: 'open' });
    expect(error.message).to.contain('/dev/vfio/vfio');
    expect(error.hint).to.contain('modprobe vfio-pci');
  });

  it('is told what to load for iommufd', function () {
    if (existsSync('/dev/iommu')) {
      this.skip();
    }
    const error = dmaError(() => Iommufd.open());
    expect(error).to.include({ code: 'ENOENT', syscall: 'open' });
    expect(error.hint).to.contain('modprobe iommufd').and.to.contain('6.2');
  });

  it('has no such device', () => {
    expect(dmaError(() => VfioGroup.forDevice('ffff:ff:1f.7'))).to.include({ code: 'ENODEV' });
    expect(() => VfioGroup.forDevice('not an address')).to.throw(RangeError);
    expect(() => VfioDevice.openCdev('00:00.0', {} as Iommufd)).to.throw(TypeError);
  });

  it('cannot make the objects by hand', () => {
    for (const Class of [VfioContainer, VfioGroup, VfioDevice, Iommufd]) {
      const Constructor = Class as unknown as new (...args: unknown[]) => unknown;
      expect(() => new Constructor(), Class.name).to.throw(TypeError, Class.name);
    }
  });
});
