import { expect } from 'chai';
import { AddressSpace, DmaBatch, Iommufd, Memfd, VfioContainer, VfioDevice, VfioGroup } from '../../binding/index.js';
import type { Ioas } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { ram } from '../binding/support/changes.js';
import { openDescriptors } from '../binding/support/descriptors.js';
import { dmaError } from '../binding/support/thrown.js';
import { copyByDma, enable, FIRST, SECOND } from './support/edu.js';

const range = (start: number, end: number): MemoryRange => MemoryRange.of(start, end);

describe('iommufd', () => {
  let iommufd: Iommufd;
  let ioas: Ioas;
  let device: VfioDevice;
  let space: AddressSpace;
  let memfd: Memfd;
  let batch: DmaBatch;

  beforeEach(() => {
    iommufd = Iommufd.open();
    ioas = iommufd.allocIoas();
    device = VfioDevice.openCdev(FIRST, iommufd);
    space = new AddressSpace({ size: 1n << 40n });
    memfd = Memfd.create('guest', 0x1000000n);
    batch = new DmaBatch();
  });

  afterEach(() => {
    device.close();
    iommufd.close();
    space.close();
    memfd.close();
  });

  it('a device copies between pages mapped by VA, and faults once they are unmapped', async () => {
    device.attach(ioas);
    enable(device);
    const change = ram(0x100000, 0x110000, memfd, { fileOffset: 0x3000n });
    batch.mapVa(change.range, space.ensureMapped(change), true);
    expect(ioas.run(batch)).to.equal(1);
    expect(batch.errnoAt(0)).to.equal(0);
    space.write(0x100ff0n, Buffer.from('what the processor wrote'));
    await copyByDma(device, 0x100ff0n, 0x10a008n, 24);
    expect(space.read(0x10a008n, 24).toString()).to.equal('what the processor wrote');

    batch.clear();
    batch.unmap(range(0, 0x1000000));
    ioas.run(batch);
    expect([batch.errnoAt(0), batch.unmappedAt(0)]).to.deep.equal([0, 0x10000n]);
    space.write(0x100ff0n, Buffer.from('what comes later'));
    await copyByDma(device, 0x100ff0n, 0x10a008n, 24);
    expect(space.read(0x10a008n, 24).toString()).to.equal('what the processor wrote');
  });

  it('a device copies between pages mapped by file, without any VA', async function () {
    batch.mapFile(range(0x100000, 0x110000), memfd.fd, 0x3000n, true);
    device.attach(ioas);
    enable(device);
    ioas.run(batch);
    if (!iommufd.supportsMapFile) {
      expect(batch.errnoAt(0), 'before Linux 6.14').to.equal(-25);
      this.skip();
    }
    expect(batch.errnoAt(0)).to.equal(0);
    space.ensureMapped(ram(0, 0x10000, memfd, { fileOffset: 0x3000n }));
    space.write(0xff0n, Buffer.from('what the processor wrote'));
    await copyByDma(device, 0x100ff0n, 0x10a008n, 24);
    expect(space.read(0xa008n, 24).toString()).to.equal('what the processor wrote');
  });

  it('maps a file on another thread after its descriptor was closed', async function () {
    if (!iommufd.supportsMapFile) {
      this.skip();
    }
    device.attach(ioas);
    const large = Memfd.create('large', 0x10000000n);
    batch.mapFile(range(0x40000000, 0x50000000), large.fd, 0n, true);
    const done = ioas.runAsync(batch);
    large.close();
    expect(await done).to.equal(1);
    expect(batch.errnoAt(0)).to.equal(0);
  }).timeout(60_000);

  it('two devices share one IOAS', async () => {
    device.attach(ioas);
    enable(device);
    using other = VfioDevice.openCdev(SECOND, iommufd);
    other.attach(ioas);
    enable(other);
    const change = ram(0x200000, 0x202000);
    batch.mapVa(change.range, space.ensureMapped(change), true);
    ioas.run(batch);
    space.write(0x200000n, Buffer.from('shared'));
    await copyByDma(other, 0x200000n, 0x201000n, 6);
    await copyByDma(device, 0x201000n, 0x201800n, 6);
    expect(space.read(0x201800n, 6).toString()).to.equal('shared');
  });

  it('tells what may be mapped: everything at first, less once a device is attached', () => {
    expect(ioas.iovaRanges).to.deep.equal([{ start: 0n, last: 2n ** 64n - 1n }]);
    device.attach(ioas);
    expect(ioas.iovaRanges).to.deep.equal([
      { start: 0n, last: 0xfedfffffn },
      { start: 0xfef00000n, last: 0x7fffffffffn },
    ]);
    device.detach();
    device.detach();
    expect(ioas.iovaRanges).to.have.length(1);
  });

  it('answers each row of a batch by itself', () => {
    device.attach(ioas);
    const low = space.ensureMapped(ram(0, 0x4000, memfd));
    batch.mapVa(range(0, 0x4000), low, true);
    batch.mapVa(range(0x1000, 0x2000), low, true);
    batch.mapVa(range(0xfee00000, 0xfee01000), low, true);
    batch.unmap(range(0, 0x1000));
    batch.unmap(range(0x20000, 0x30000));
    batch.unmapAll();
    expect(ioas.run(batch)).to.equal(6);
    expect(Array.from({ length: 6 }, (_, row) => batch.errnoAt(row))).to.deep.equal([0, -17, -22, -2, -2, 0]);
    expect(batch.unmappedAt(5)).to.equal(0x4000n);
  });

  describe('errors', () => {
    it('attaching is when mappings are checked', () => {
      const change = ram(0xfee00000, 0xfee01000, memfd);
      batch.mapVa(change.range, space.ensureMapped(change), true);
      ioas.run(batch);
      expect(batch.errnoAt(0), 'nobody has looked').to.equal(0);
      const error = dmaError(() => {
        device.attach(ioas);
      });
      expect(error).to.include({ code: 'EADDRINUSE', request: 'VFIO_DEVICE_ATTACH_IOMMUFD_PT' });
      expect(error.hint).to.contain('0xfee00000');
      batch.clear();
      batch.unmapAll();
      ioas.run(batch);
      device.attach(ioas);
    });

    it('an IOAS in use, one that was destroyed, one of another iommufd', () => {
      device.attach(ioas);
      const busy = dmaError(() => {
        ioas.destroy();
      });
      expect(busy).to.include({ code: 'EBUSY', request: 'IOMMU_DESTROY' });
      expect(busy.hint).to.contain('Detach');
      using other = Iommufd.open();
      const foreign = other.allocIoas();
      expect(
        dmaError(() => {
          device.attach(foreign);
        }).message,
      ).to.contain('another iommufd');
      device.detach();
      ioas.destroy();
      ioas.destroy();
      expect(dmaError(() => ioas.iovaRanges).code).to.equal('ERR_CLOSED');
      expect(dmaError(() => ioas.run(batch)).code).to.equal('ERR_CLOSED');
      expect(() => {
        device.attach({} as Ioas);
      }).to.throw(TypeError);
    });

    it('a device that is open already, and its group meanwhile', () => {
      const again = dmaError(() => VfioDevice.openCdev(FIRST, iommufd));
      expect(again.code).to.be.oneOf(['EBUSY', 'EINVAL']);
      expect(again.hint).to.be.a('string');
      const busy = dmaError(() => VfioGroup.forDevice(FIRST));
      expect(busy.code).to.equal('EBUSY');
      device.close();
      using container = VfioContainer.open();
      using group = VfioGroup.forDevice(FIRST);
      container.addGroup(group);
      using byGroup = group.openDevice(FIRST);
      expect(
        dmaError(() => {
          byGroup.attach(ioas);
        }).message,
      ).to.contain('through its group');
      expect(
        dmaError(() => {
          byGroup.detach();
        }).message,
      ).to.contain('through its group');
      expect(dmaError(() => VfioDevice.openCdev(FIRST, iommufd)).code).to.equal('EBUSY');
    });

    it('an iommufd that is closed', () => {
      iommufd.close();
      iommufd.close();
      for (const use of [
        () => iommufd.allocIoas(),
        () => iommufd.supportsMapFile,
        () => ioas.iovaRanges,
        () => ioas.run(batch),
      ]) {
        expect(dmaError(use).code).to.equal('ERR_CLOSED');
      }
      ioas.destroy();
    });
  });

  it('leaves no descriptor behind', () => {
    const before = openDescriptors();
    device.close();
    for (let round = 0; round < 50; round += 1) {
      using other = Iommufd.open();
      using opened = VfioDevice.openCdev(FIRST, other);
      opened.attach(other.allocIoas());
    }
    expect(openDescriptors()).to.equal(before - 1);
  });
});
