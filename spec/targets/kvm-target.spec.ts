import { expect } from 'chai';
import { RamBlocks } from '../../binding/index.js';
import { DmaError, MemoryRange, RegionManager, type DmaMapRequest } from '../../streams/index.js';
import { KvmTarget, SoftIommuTarget, type KvmTargetOptions } from '../../targets/index.js';
import { RecordingTarget } from '../../testing/index.js';
import { dmaError } from '../binding/support/thrown.js';
import { eachWithMachine, FAR, farRange as range, PROGRAM } from '../support/kvm-machine.js';

describe('KvmTarget', () => {
  const bench = eachWithMachine();

  async function manage(options: KvmTargetOptions = {}): Promise<{ manager: RegionManager; target: KvmTarget }> {
    const manager = new RegionManager({ vaMapper: new RamBlocks() });
    const target = new KvmTarget(bench.machine.vm, options);
    await manager.attach(target);
    return { manager, target };
  }

  /** A region over the range, of a file of its own. */
  async function plug(manager: RegionManager, range: MemoryRange, writable = true): Promise<() => Promise<void>> {
    const mappable = bench.machine.memfd(range.length);
    const region = await manager.addRegion({ name: 'dimm', range, type: 'ram' });
    const rangeInRegion = MemoryRange.ofLength(0, Number(range.length));
    await region.addMapping({ rangeInRegion, backing: { mappable, fileOffset: 0n }, writable });
    await region.map({ writable: true });
    return () => region.remove();
  }

  it('gives a running guest memory, and takes it away', async () => {
    const { manager, target } = await manage();
    // wait: mov al, [0]; cmp al, 0xff; je wait; out 0x10, al; jmp wait
    bench.machine.load([0xa0, 0, 0, 0x3c, 0xff, 0x74, 0xf9, 0xe6, 0x10, 0xeb, 0xf5], FAR);
    expect(await bench.machine.vcpu.run()).to.include({ kind: 'mmio', address: FAR });
    expect(target.slotOf(FAR)).to.equal(undefined);
    const unplug = await plug(manager, range(0, 16));
    expect(target.slotOf(FAR)).to.equal(1);
    expect(await bench.machine.vcpu.run()).to.include({ kind: 'io', port: 0x10 });
    const running = bench.machine.vcpu.run();
    void running.catch(() => undefined);
    await unplug();
    let exit = await running;
    while (exit.kind === 'io') {
      exit = await bench.machine.vcpu.run();
    }
    expect(exit).to.include({ kind: 'mmio', direction: 'read', address: FAR });
    await manager.close();
  });

  it('makes what is not writable read-only for the guest', async () => {
    const { manager } = await manage();
    await plug(manager, range(0), false);
    expect(await bench.machine.run(PROGRAM.read, FAR)).to.deep.equal({ kind: 'halt' });
    expect(await bench.machine.run(PROGRAM.write, FAR)).to.include({ kind: 'mmio', direction: 'write' });
    await manager.close();
  });

  it('lists what it has mapped: verify finds a slot that is gone, and heal sets it again', async () => {
    const { manager, target } = await manage();
    await plug(manager, range(0, 4));
    await plug(manager, range(8, 4));
    expect(target.mappedRanges().map(String)).to.deep.equal(['0x40000000-0x40004000', '0x40008000-0x4000c000']);
    const [attachment] = manager.attachments;
    await target.unmapDma(range(8, 4));
    const findings = await attachment?.verify();
    expect(findings?.map((finding) => finding.fault)).to.deep.equal(['missing']);
    await attachment?.heal();
    expect(await attachment?.verify()).to.deep.equal([]);
    expect(target.mappedRanges()).to.have.lengthOf(2);
    await manager.close();
    expect(target.mappedRanges()).to.deep.equal([]);
  });

  it('refuses a set before its first map when there are not enough slots: nothing is mapped anywhere', async () => {
    const { manager, target } = await manage({ firstSlot: 8, slots: 3 });
    expect(target.maxMaps).to.equal(3);
    const region = await manager.addRegion({ name: 'ram', range: range(0, 16), type: 'ram' });
    await region.map({ writable: true });
    const mappable = bench.machine.memfd(0x10000n);
    const error = await manager
      .transaction((edit) => {
        for (let page = 0; page < 8; page += 2) {
          const backing = { mappable, fileOffset: BigInt(page << 12) };
          edit.addMapping(region, { rangeInRegion: MemoryRange.ofPages(page, page + 1), backing, writable: true });
        }
      })
      .catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'ENOSPC', target: 'kvm', request: 'KVM_SET_USER_MEMORY_REGION', region: 'ram' });
    expect((error as DmaError).message).to.contain('it is number 4 of a set, and 3 memory slots are free');
    expect((error as DmaError).hint).to.contain('of the 3 slot numbers from 8 on, 3 are free');
    expect(target.mappedRanges()).to.deep.equal([]);
    await manager.close();
  });

  it('is undone when another target fails, and undoes the others when it fails', async () => {
    const { manager, target } = await manage({ firstSlot: 8, slots: 2 });
    const iommu = new RecordingTarget({ name: 'iommu' });
    await manager.attach(iommu);
    await plug(manager, range(0));
    iommu.takeCalls();
    iommu.failRange(range(2), 'EFAULT');
    const failed = await plug(manager, range(2)).catch((reason: unknown) => reason);
    expect(failed).to.include({ code: 'EFAULT', target: 'iommu' });
    expect(target.mappedRanges().map(String)).to.deep.equal([range(0).toString()]);
    iommu.clearFailures();
    // The other way round: a slot of other code is in the way.
    const soft = new SoftIommuTarget({ name: 'before' });
    await manager.close();
    const second = new RegionManager({ vaMapper: new RamBlocks() });
    await second.attach(soft);
    await second.attach(new KvmTarget(bench.machine.vm, { firstSlot: 8 }));
    expect(bench.machine.set(range(4), bench.machine.hostVa(range(4)))).to.equal(0);
    const refused = await plug(second, range(4, 2)).catch((reason: unknown) => reason);
    expect(refused).to.include({ code: 'EEXIST', target: 'kvm' });
    expect(soft.mappedRanges()).to.deep.equal([]);
    await second.close();
  });

  it('calls pause and resume of `around`, once each, by beginSet and endSet', async () => {
    const calls: string[] = [];
    const around = {
      pause: async () => {
        await Promise.resolve();
        calls.push('pause');
      },
      resume: () => {
        calls.push('resume');
      },
    };
    const { manager, target } = await manage({ around });
    const iommu = new RecordingTarget({ name: 'iommu', journal: calls });
    await manager.attach(iommu);
    expect(calls, 'nothing is active').to.deep.equal([]);
    const unplug = await plug(manager, range(0));
    expect(calls.splice(0)).to.deep.equal(['pause', `iommu: map ${range(0)} rw`, 'resume']);
    iommu.failRange(range(2), 'EIO');
    await plug(manager, range(2)).catch(() => undefined);
    expect(calls.splice(0), 'undone before they go on').to.deep.equal([
      'pause',
      `iommu: map ${range(2)} rw -> EIO`,
      'resume',
    ]);
    await unplug();
    expect(calls.splice(0)).to.deep.equal([`iommu: unmap ${range(0)}`, 'pause', 'resume']);
    expect(target.mappedRanges()).to.deep.equal([]);
    await manager.close();
    const plain = new KvmTarget(bench.machine.vm);
    expect([plain.beginSet, plain.endSet]).to.deep.equal([undefined, undefined]);
    expect(() => new KvmTarget(bench.machine.vm, { around: { pause: 1 } as never })).to.throw(
      TypeError,
      'pause and resume',
    );
  });

  it('makes up to 16 calls on this thread, and more on another one, so that other work goes on', async () => {
    const target = new KvmTarget(bench.machine.vm);
    const requests = Array.from({ length: 17 }, (_, index) => {
      const at = range(2 * index);
      return bench.machine.request(at, bench.machine.hostVa(at));
    });
    const few = requests.slice(0, 16);
    const rangesOf = (some: readonly DmaMapRequest[]): MemoryRange[] => some.map((request) => request.range);
    expect(target.mapDmaBatch(few)).to.equal(undefined);
    expect(target.unmapDmaBatch(rangesOf(few))).to.equal(undefined);
    const mapped = target.mapDmaBatch(requests);
    expect(mapped).to.be.instanceOf(Promise);
    expect(await mapped).to.equal(undefined);
    expect(target.mappedRanges()).to.have.lengthOf(17);
    const unmapped = target.unmapDmaBatch(rangesOf(requests));
    expect(unmapped).to.be.instanceOf(Promise);
    expect(await unmapped).to.equal(undefined);
    expect(target.mappedRanges()).to.deep.equal([]);
  });

  it('has options that are checked, and a VM that is open', () => {
    expect(() => new KvmTarget(bench.machine.vm, { firstSlot: bench.machine.vm.slots })).to.throw(RangeError, 'first');
    expect(() => new KvmTarget(bench.machine.vm, { slots: 0 })).to.throw(RangeError, 'count');
    expect(() => new KvmTarget(bench.machine.vm, { dirtyLog: 'on' as never })).to.throw(TypeError, 'dirtyLog');
    const target = new KvmTarget(bench.machine.vm);
    bench.machine.vm.close();
    expect(dmaError(() => new KvmTarget(bench.machine.vm)).code).to.equal('ERR_CLOSED');
    expect(dmaError(() => target.unmapDma(range(0))).code).to.equal('ERR_CLOSED');
    expect(target.mappedRanges()).to.deep.equal([]);
  });

  describe('errors of the kernel, by cause', () => {
    /** The target refuses; the error says all of it, and there is no slot. */
    function refuses(target: KvmTarget, request: DmaMapRequest, code: string, errno: number, hint: RegExp): void {
      const before = target.mappedRanges().map(String);
      const error = dmaError(() => target.mapDma(request));
      const { syscall, request: ioctl, region } = error;
      expect({ code: error.code, errno: error.errno, syscall, ioctl, target: error.target, region }).to.deep.equal({
        code,
        errno,
        syscall: 'ioctl',
        ioctl: 'KVM_SET_USER_MEMORY_REGION',
        target: target.name,
        region: 'ram',
      });
      expect(error.message).to.contain(`cannot map ${request.range.toString()} for the guest`);
      expect(error.range).to.equal(request.range);
      expect(error.hint).to.match(hint);
      expect(target.mappedRanges().map(String)).to.deep.equal(before);
    }

    it('overlap with a slot, in any way: EEXIST, and the slot', () => {
      const target = new KvmTarget(bench.machine.vm);
      const hostVa = bench.machine.hostVa(range(0, 16));
      void target.mapDma(bench.machine.request(range(4, 4), hostVa));
      for (const overlap of [range(4, 4), range(3, 2), range(7, 2), range(5), range(2, 8)]) {
        refuses(
          target,
          bench.machine.request(overlap, hostVa),
          'EEXIST',
          -17,
          /slot 1 is there \(0x40004000-0x40008000\)/,
        );
      }
      void target.mapDma(bench.machine.request(range(8), hostVa));
      void target.unmapDma(range(4, 4));
      void target.mapDma(bench.machine.request(range(4, 4), hostVa));
    });

    it('overlap with a slot of other code: EEXIST', () => {
      const target = new KvmTarget(bench.machine.vm);
      const own = MemoryRange.of(0x8_0000, 0x8_1000);
      refuses(
        target,
        bench.machine.request(own, bench.machine.hostVa(range(0))),
        'EEXIST',
        -17,
        /other code has set a memory slot/,
      );
    });

    it('no free slot number: ENOSPC, and how many there are', () => {
      const target = new KvmTarget(bench.machine.vm, { firstSlot: 4, slots: 1 });
      const hostVa = bench.machine.hostVa(range(0, 4));
      void target.mapDma(bench.machine.request(range(0), hostVa));
      refuses(
        target,
        bench.machine.request(range(1), hostVa),
        'ENOSPC',
        -28,
        /of the 1 slot numbers from 4 on, 0 are free/,
      );
    });

    it('an address above what the guest can have: EINVAL, and the limit', () => {
      const target = new KvmTarget(bench.machine.vm);
      const bits = BigInt(bench.machine.kvm.addressBits);
      const hostVa = bench.machine.hostVa(range(0, 2));
      const above = MemoryRange.ofLength(1n << bits, 0x1000);
      refuses(
        target,
        bench.machine.request(above, hostVa),
        'EINVAL',
        -22,
        /reaches above 0x1(0+), where guest physical/,
      );
      const last = MemoryRange.ofLength((1n << bits) - 0x1000n, 0x1000);
      void target.mapDma(bench.machine.request(last, hostVa));
      const misfit = dmaError(() => {
        target.checkMaps([bench.machine.request(range(0), hostVa), bench.machine.request(above, hostVa)]);
      });
      expect(misfit).to.include({ code: 'EINVAL', region: 'ram', target: 'kvm' });
      expect(misfit.message).to.contain('cannot be mapped for the guest: it reaches above');
      target.checkMaps([bench.machine.request(above, hostVa, true, 'device')]);
    });

    it('memory that is not there, or not writable: EFAULT', () => {
      const target = new KvmTarget(bench.machine.vm);
      const readOnly = bench.machine.hostVa(range(0), false);
      refuses(target, bench.machine.request(range(0), readOnly), 'EFAULT', -14, /or not for writing/);
      const gone = bench.machine.hostVa(range(1));
      bench.machine.memory.release(range(1));
      expect(dmaError(() => target.mapDma(bench.machine.request(range(1), gone))).code).to.equal('ERR_INVALID_HOST_VA');
      const without = { range: range(2), region: 'ram', type: 'ram', writable: true, fileOffset: 0n } as const;
      expect(dmaError(() => target.mapDma(without)).code).to.equal('ERR_NO_VA');
    });

    it('an unmap of nothing succeeds; one that cuts a slot: EINVAL, and the slot is stuck', () => {
      const target = new KvmTarget(bench.machine.vm);
      void target.unmapDma(range(0, 16));
      void target.mapDma(bench.machine.request(range(4, 4), bench.machine.hostVa(range(4, 4))));
      const error = dmaError(() => target.unmapDma(range(4, 2)));
      expect(error).to.include({ code: 'EINVAL', errno: -22, target: 'kvm', request: 'KVM_SET_USER_MEMORY_REGION' });
      expect(error.message).to.contain('for the guest');
      expect(
        (error as DmaError & { stuck: { range: MemoryRange }[] }).stuck.map((one) => String(one.range)),
      ).to.deep.equal([range(4, 4).toString()]);
    });

    it('over the local APIC, and the same memory in two slots: both succeed', () => {
      const target = new KvmTarget(bench.machine.vm);
      const hostVa = bench.machine.hostVa(range(0));
      void target.mapDma(bench.machine.request(MemoryRange.ofLength(0xfee0_0000, 0x1000), hostVa));
      void target.mapDma(bench.machine.request(range(0), hostVa));
      void target.mapDma(bench.machine.request(range(1), hostVa));
      expect(target.mappedRanges()).to.have.lengthOf(3);
    });
  });
});
