import { expect } from 'chai';
import { AddressSpace, DmaBatch, Memfd, VfioContainer, VfioGroup } from '../../binding/index.js';
import type { VfioDevice } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { ram } from '../binding/support/changes.js';
import { openDescriptors } from '../binding/support/descriptors.js';
import { dmaError } from '../binding/support/thrown.js';
import { copyByDma, enable, FIRST, SECOND } from './support/edu.js';

const range = (start: number, end: number): MemoryRange => MemoryRange.of(start, end);

describe('VFIO type1', () => {
  let container: VfioContainer;
  let group: VfioGroup;
  let device: VfioDevice;
  let space: AddressSpace;
  let memfd: Memfd;
  let batch: DmaBatch;

  beforeEach(() => {
    container = VfioContainer.open();
    group = VfioGroup.forDevice(FIRST);
    container.addGroup(group);
    device = group.openDevice(FIRST);
    enable(device);
    space = new AddressSpace({ size: 1n << 40n });
    memfd = Memfd.create('guest', 0x1000000n);
    batch = new DmaBatch();
  });

  afterEach(() => {
    device.close();
    group.close();
    container.close();
    space.close();
    memfd.close();
  });

  it('a device copies between pages of guest memory, and faults once they are unmapped', async () => {
    const change = ram(0x100000, 0x110000, memfd, { fileOffset: 0x3000n });
    batch.mapVa(change.range, space.ensureMapped(change), true);
    expect(container.run(batch)).to.equal(1);
    expect(batch.errnoAt(0)).to.equal(0);
    space.write(0x100ff0n, Buffer.from('what the processor wrote'));
    await copyByDma(device, 0x100ff0n, 0x10a008n, 24);
    expect(space.read(0x10a008n, 24).toString()).to.equal('what the processor wrote');

    batch.clear();
    batch.unmap(change.range);
    container.run(batch);
    expect([batch.errnoAt(0), batch.unmappedAt(0)]).to.deep.equal([0, 0x10000n]);
    space.write(0x100ff0n, Buffer.from('what comes later'));
    await copyByDma(device, 0x100ff0n, 0x10a008n, 24);
    expect(space.read(0x10a008n, 24).toString()).to.equal('what the processor wrote');
  });

  it('private memory and a second group share the container', async () => {
    const change = ram(0x200000, 0x202000);
    batch.mapVa(change.range, space.ensureMapped(change), true);
    container.run(batch);
    using second = VfioGroup.forDevice(SECOND);
    container.addGroup(second);
    using other = second.openDevice(SECOND);
    enable(other);
    space.write(0x200000n, Buffer.from('shared'));
    await copyByDma(other, 0x200000n, 0x201000n, 6);
    await copyByDma(device, 0x201000n, 0x201800n, 6);
    expect(space.read(0x201800n, 6).toString()).to.equal('shared');
  });

  it('tells what it can map, and counts entries down', () => {
    const before = container.info;
    expect(before.pageSizes & 0x1000n).to.equal(0x1000n);
    expect(before.iovaRanges.map(({ start, last }) => [start, last])).to.deep.include([0n, 0xfedfffffn]);
    const change = ram(0, 0x1000, memfd);
    batch.mapVa(change.range, space.ensureMapped(change), true);
    container.run(batch);
    expect(container.info.dmaEntriesAvailable).to.equal((before.dmaEntriesAvailable ?? 0) - 1);
  });

  it('answers each row of a batch by itself, or ends at the first failure', () => {
    const low = space.ensureMapped(ram(0, 0x4000, memfd));
    const rom = space.ensureMapped(ram(0x8000, 0x9000, memfd, { writable: false }));
    const window = space.ensureMapped(ram(0xfee00000, 0xfee01000, memfd));
    batch.mapVa(range(0, 0x4000), low, true);
    batch.mapVa(range(0x1000, 0x2000), low, true);
    batch.mapVa(range(0x8000, 0x9000), rom, true);
    batch.mapVa(range(0x8000, 0x9000), rom, false);
    batch.mapVa(range(0xfee00000, 0xfee01000), window, true);
    batch.mapFile(range(0x10000, 0x11000), memfd.fd, 0n, true);
    batch.unmap(range(0, 0x1000));
    batch.unmap(range(0x20000, 0x30000));
    batch.unmapAll();
    expect(container.run(batch)).to.equal(9);
    const errnos = Array.from({ length: 9 }, (_, row) => batch.errnoAt(row));
    expect(errnos).to.deep.equal([0, -17, -14, 0, -22, -95, -22, 0, 0]);
    expect(batch.unmappedAt(8)).to.equal(0x5000n);
    expect(container.run(batch, { stopAtFailure: true })).to.equal(2);
  });

  it('never maps what the address space does not hold', () => {
    const change = ram(0, 0x4000, memfd);
    const hostVa = space.ensureMapped(change);
    expect(() => batch.mapVa(range(0, 0x5000), hostVa, true)).to.throw(RangeError, 'longer');
    batch.mapVa(change.range, hostVa, true);
    space.release(change.range);
    container.run(batch);
    expect(batch.errnoAt(0)).to.equal(-14);
    expect(
      dmaError(() => {
        batch.mapVa(change.range, hostVa, true);
      }).code,
    ).to.equal('ERR_INVALID_HOST_VA');
  });

  it('maps on another thread, also when everything is closed meanwhile', async () => {
    using large = Memfd.create('large', 0x20000000n);
    const change = ram(0x40000000, 0x60000000, large);
    batch.mapVa(change.range, space.ensureMapped(change), true);
    const done = container.runAsync(batch);
    expect(() => {
      batch.clear();
    }).to.throw(TypeError, 'another thread');
    expect(await done).to.equal(1);
    expect(batch.errnoAt(0)).to.equal(0);
    batch.clear();
    batch.unmap(change.range);
    const undone = container.runAsync(batch);
    device.close();
    group.close();
    container.close();
    space.close();
    await undone;
    expect(batch.errnoAt(0)).to.be.oneOf([0, -22]);
  }).timeout(60_000);

  describe('errors', () => {
    it('a group that is open, and a group in another container, name the way out', () => {
      const busy = dmaError(() => VfioGroup.forDevice(FIRST));
      expect(busy).to.include({ code: 'EBUSY', syscall: 'open' });
      expect(busy.hint).to.contain('fuser');
      using other = VfioContainer.open();
      const taken = dmaError(() => {
        other.addGroup(group);
      });
      expect(taken.code).to.be.oneOf(['EBUSY', 'EINVAL']);
      expect(taken).to.include({ syscall: 'ioctl', request: 'VFIO_GROUP_SET_CONTAINER' });
      expect(taken.hint).to.contain('another container');
      container.addGroup(group);
    });

    it('a container without a group, a group without a container', () => {
      using empty = VfioContainer.open();
      const error = dmaError(() => empty.info);
      expect(error).to.include({ code: 'EINVAL', request: 'VFIO_IOMMU_GET_INFO' });
      expect(error.hint).to.contain('addGroup');
      using second = VfioGroup.forDevice(SECOND);
      expect(second.viable).to.equal(true);
      expect(dmaError(() => second.openDevice(SECOND)).hint).to.contain('addGroup');
      expect(dmaError(() => group.openDevice(SECOND)).message).to.contain(`is in group ${second.number}`);
    });

    it('no such device; a device without a driver', () => {
      expect(dmaError(() => VfioGroup.forDevice('0000:00:1e.7'))).to.include({ code: 'ENODEV' });
      expect(() => VfioGroup.forDevice('eth0')).to.throw(RangeError, 'lspci');
      expect(dmaError(() => VfioGroup.forDevice('0000:00:00.0')).hint).to.match(/driver_override|intel_iommu/);
    });
  });

  it('leaves no descriptor behind', () => {
    device.close();
    group.close();
    container.close();
    const before = openDescriptors();
    for (let round = 0; round < 50; round += 1) {
      using again = VfioContainer.open();
      using first = VfioGroup.forDevice(FIRST);
      again.addGroup(first);
      using opened = first.openDevice(FIRST);
      expect(opened.fd).to.be.above(0);
    }
    expect(openDescriptors()).to.equal(before);
    for (const use of [
      () => container.info,
      () => {
        container.addGroup(group);
      },
      () => container.run(batch),
      () => group.viable,
      () => device.fd,
      () => {
        device.reset();
      },
    ]) {
      expect(dmaError(use).code).to.equal('ERR_CLOSED');
    }
  });
});
