import { expect } from 'chai';
import fc from 'fast-check';
import { closeSync, openSync } from 'node:fs';
import { DmaBatch, Kvm, KvmVm } from '../../../binding/index.js';
import { native } from '../../../binding/native.js';
import {
  eachWithMachine,
  FAR,
  farRange as range,
  KvmMachine,
  needsKvm,
  PROGRAM,
  RAM,
} from '../../support/kvm-machine.js';
import { kvmHandles } from '../support/kvm-handles.js';
import { dmaError } from '../support/thrown.js';

describe('the memory slots of a VM', () => {
  const bench = eachWithMachine();

  it('are set and deleted while the guest is there, and it sees what they hold', async () => {
    const hostVa = bench.machine.hostVa(range(0));
    bench.machine.memory.write(FAR, Buffer.from([0x33]));
    expect(await bench.machine.run(PROGRAM.read, FAR)).to.include({ kind: 'mmio' });
    await bench.machine.vcpu.run();
    expect(bench.machine.set(range(0), hostVa)).to.equal(0);
    expect(await bench.machine.run(PROGRAM.read, FAR)).to.deep.equal({ kind: 'halt' });
    expect(bench.machine.al).to.equal(0x33);
    await bench.machine.run(PROGRAM.write, FAR);
    expect(bench.machine.memory.read(FAR, 1)[0]).to.equal(0x5a);
    expect(bench.machine.delete(range(0))).to.equal(0);
    expect(await bench.machine.run(PROGRAM.read, FAR)).to.include({ kind: 'mmio', address: FAR });
  });

  it('that are not writable can be read; a write is an exit, and changes nothing', async () => {
    const hostVa = bench.machine.hostVa(range(0));
    bench.machine.memory.write(FAR, Buffer.from([0x44]));
    expect(bench.machine.set(range(0), hostVa, false)).to.equal(0);
    await bench.machine.run(PROGRAM.read, FAR);
    expect(bench.machine.al).to.equal(0x44);
    expect(await bench.machine.run(PROGRAM.write, FAR)).to.include({ kind: 'mmio', direction: 'write', address: FAR });
    expect(bench.machine.memory.read(FAR, 1)[0]).to.equal(0x44);
  });

  it('take the lowest free number, also after some were deleted', () => {
    const hostVa = bench.machine.hostVa(range(0, 8));
    for (let page = 0; page < 4; page++) {
      expect(bench.machine.set(range(page), hostVa)).to.equal(0);
    }
    expect(bench.machine.slots.list().map(({ number }) => number)).to.deep.equal([0, 1, 2, 3, 4]);
    bench.machine.delete(range(1));
    bench.machine.delete(range(0));
    expect(bench.machine.set(range(6), hostVa)).to.equal(0);
    expect(bench.machine.slots.slotOf(FAR + 0x6fffn)).to.equal(1);
    expect(bench.machine.slots.slotOf(FAR + 0x7000n)).to.equal(undefined);
    expect(bench.machine.slots.slotOf(FAR)).to.equal(undefined);
    expect(bench.machine.slots.list().map((slot) => `${slot.number} ${slot.range.toString()}`)).to.deep.equal([
      '0 0x0-0x100000',
      '3 0x40002000-0x40003000',
      '4 0x40003000-0x40004000',
      '1 0x40006000-0x40007000',
    ]);
    expect(bench.machine.slots.free).to.equal(bench.machine.vm.slots - 4);
  });

  it('of several tables have numbers of their own, each from its window', () => {
    const { vm } = bench.machine;
    const hostVa = bench.machine.hostVa(range(0, 256));
    const second = vm.memorySlots();
    const window = vm.memorySlots({ first: 62, count: 4 });
    expect(bench.machine.set(range(0), hostVa, true, second)).to.equal(0);
    expect(second.list()[0]?.number).to.equal(1);
    for (let page = 1; page < 5; page++) {
      expect(bench.machine.set(range(page), hostVa, true, window)).to.equal(0);
    }
    expect(window.list().map(({ number }) => number)).to.deep.equal([62, 63, 64, 65]);
    expect(window.free).to.equal(0);
    expect(bench.machine.set(range(5), hostVa, true, window), 'ENOSPC').to.equal(-28);
    expect(bench.machine.delete(range(1), second), 'not its own').to.equal(0);
    expect(window.list()).to.have.lengthOf(4);
  });

  it('refuse what the kernel refuses, and what it would not have checked', () => {
    const hostVa = bench.machine.hostVa(range(0, 4));
    const readOnly = bench.machine.hostVa(range(16), false);
    expect(bench.machine.set(range(16), readOnly), 'EFAULT: it is not writable').to.equal(-14);
    expect(bench.machine.set(range(16), readOnly, false)).to.equal(0);
    expect(bench.machine.set(range(1, 2), hostVa)).to.equal(0);
    expect(bench.machine.set(range(0, 2), hostVa), 'EEXIST').to.equal(-17);
    expect(bench.machine.delete(range(0, 2)), 'EINVAL: it cuts one').to.equal(-22);
    expect(bench.machine.delete(range(2, 2)), 'EINVAL: it cuts one').to.equal(-22);
    expect(bench.machine.delete(range(8))).to.equal(0);
    const batch = new DmaBatch();
    batch.mapFile(range(8), bench.machine.memfd(0x1000n).fd, 0n, true);
    batch.unmap(range(0, 4));
    batch.unmapAll();
    bench.machine.slots.run(batch);
    expect([0, 1, 2].map((row) => batch.errnoAt(row))).to.deep.equal([-95, 0, 0]);
    expect(batch.unmappedAt(1)).to.equal(0x2000n);
    expect(bench.machine.slots.list()).to.deep.equal([]);
  });

  it('are set and deleted in one call, on this thread and on another', async () => {
    const hostVa = bench.machine.hostVa(range(0, 400));
    for (const later of [false, true]) {
      for (const put of [
        (batch: DmaBatch, page: number) => {
          batch.mapVa(range(page), hostVa, true);
        },
        (batch: DmaBatch, page: number) => {
          batch.unmap(range(page));
        },
      ]) {
        const batch = new DmaBatch();
        for (let page = 0; page < 400; page += 2) {
          put(batch, page);
        }
        expect(await (later ? bench.machine.slots.runAsync(batch) : bench.machine.slots.run(batch))).to.equal(200);
        expect(Array.from({ length: 200 }, (_, row) => batch.errnoAt(row)).every((errno) => errno === 0)).to.equal(
          true,
        );
      }
      expect(bench.machine.slots.list().map((slot) => slot.range.toString())).to.deep.equal([RAM.toString()]);
    }
  });

  it('stop at the first failure, when asked to', () => {
    const hostVa = bench.machine.hostVa(range(0, 4));
    const batch = new DmaBatch();
    batch.mapVa(range(0), hostVa, true);
    batch.mapVa(range(0), hostVa, true);
    batch.mapVa(range(1), hostVa, true);
    expect(bench.machine.slots.run(batch, { stopAtFailure: true })).to.equal(2);
    expect(bench.machine.slots.list()).to.have.lengthOf(2);
  });

  it('keep the addresses of their memory after it was closed: the guest never sees anything else there', async () => {
    const hostVa = bench.machine.hostVa(range(0));
    bench.machine.memory.write(FAR, Buffer.from([0x55]));
    bench.machine.load(PROGRAM.read, FAR);
    expect(bench.machine.set(range(0), hostVa)).to.equal(0);
    bench.machine.memory.release(range(0));
    // What the kernel would give these addresses to.
    const others = Array.from({ length: 64 }, () => new KvmMachine());
    try {
      expect(await bench.machine.vcpu.run()).to.deep.equal({ kind: 'halt' });
      expect(bench.machine.al).to.equal(0x55);
    } finally {
      others.forEach((other) => {
        other[Symbol.dispose]();
      });
    }
  });

  it('log which pages the guest wrote, and nothing else', async () => {
    const logged = bench.machine.vm.memorySlots({ dirtyLog: true });
    const hostVa = bench.machine.hostVa(range(0, 128));
    expect(bench.machine.set(range(0, 128), hostVa, true, logged)).to.equal(0);
    const dirty = (): number[] =>
      Array.from(logged.takeDirtyLog(FAR)).flatMap((byte, at) =>
        [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte & (1 << bit)) !== 0).map((bit) => at * 8 + bit),
      );
    expect(logged.takeDirtyLog(FAR)).to.have.lengthOf(16);
    for (const page of [3, 70]) {
      await bench.machine.run(PROGRAM.write, FAR + BigInt(page << 12));
    }
    bench.machine.memory.write(FAR + 0x9000n, Buffer.from([1]));
    expect(dirty()).to.deep.equal([3, 70]);
    expect(dirty()).to.deep.equal([]);
    logged.logDirtyPages(false);
    expect(dmaError(() => logged.takeDirtyLog(FAR))).to.include({ code: 'ENOENT', request: 'KVM_GET_DIRTY_LOG' });
    logged.logDirtyPages(true);
    await bench.machine.run(PROGRAM.write, FAR + 0x1000n);
    expect(dirty()).to.deep.equal([1]);
    expect(dmaError(() => logged.takeDirtyLog(FAR + 0x1000n)).hint).to.contain('Does a slot begin there');
  });

  it('go when the VM is closed, also for a duplicate of it; then all is refused', () => {
    const { vm, slots } = bench.machine;
    const hostVa = bench.machine.hostVa(range(0));
    expect(bench.machine.set(range(0), hostVa)).to.equal(0);
    vm.close();
    vm.close();
    expect(slots.list()).to.deep.equal([]);
    const batch = new DmaBatch();
    batch.unmap(range(0));
    for (const work of [
      () => slots.run(batch),
      () => slots.runAsync(batch),
      () => slots.takeDirtyLog(FAR),
      () => {
        slots.logDirtyPages(true);
      },
      () => vm.memorySlots(),
      () => vm.createVcpu(7),
      () => vm.checkExtension(1),
      () => {
        vm.createIrqChip();
      },
    ]) {
      expect(dmaError(work).code).to.equal('ERR_CLOSED');
    }
  });

  it('have options that are checked', () => {
    const { vm } = bench.machine;
    for (const options of [
      { first: -1 },
      { first: vm.slots },
      { count: 0 },
      { first: 1, count: vm.slots },
      { count: 1.5 },
    ]) {
      expect(() => vm.memorySlots(options), JSON.stringify(options)).to.throw(RangeError);
    }
    for (const options of [{ first: '0' }, { count: null }, { dirtyLog: 1 }, null]) {
      expect(() => vm.memorySlots(options as never), JSON.stringify(options)).to.throw(TypeError);
    }
  });

  it('take any numbers as rows without harm', () => {
    const handles = kvmHandles();
    expect(handles).to.be.an('object');
    const slots = (handles as unknown as { slots: never }).slots;
    const runner = native().kvmSlotsRunner(slots);
    const rowRunner = native().kvmSlotsRowRunner(slots);
    const number = fc.oneof(
      fc.integer({ min: -1, max: 64 }),
      fc.double(),
      fc.nat({ max: 64 }).map((page) => page * 4096),
    );
    fc.assert(
      fc.property(fc.array(number, { maxLength: 32 }), fc.boolean(), (numbers, stop) => {
        const results = new Int32Array(4);
        expect(runner(Float64Array.from(numbers), results, 8, stop, false)).to.be.a('number');
        const [kind = 0, iova = 0, length = 0, source = 0] = numbers;
        expect(rowRunner(kind, iova, length, source)).to.be.a('number');
      }),
      { numRuns: 2000 },
    );
    expect(native().kvmSlotsList(slots)).to.have.lengthOf(0);
  });
});

describe('a VM', function () {
  before(function () {
    needsKvm(this);
  });

  it('is that of a descriptor from elsewhere, which stays the caller’s', () => {
    using kvm = Kvm.open();
    using vm = kvm.createVm();
    expect(vm.slots).to.equal(vm.checkExtension(10));
    const device = openSync('/dev/kvm', 'r+'); // It answers KVM_CHECK_EXTENSION as a VM does.
    for (const [fd, code] of [
      [0x7000_0000, 'EBADF'],
      [process.stderr.fd, 'ENOTTY'],
      [device, 'ENOTTY'],
    ] as const) {
      expect(dmaError(() => KvmVm.from(fd)).code, String(fd)).to.equal(code);
    }
    closeSync(device);
    expect(() => KvmVm.from(-1)).to.throw(TypeError);
    expect(() => new (KvmVm as unknown as new () => KvmVm)()).to.throw(TypeError, 'made by kvm.createVm');
  });

  it('says what KVM can do', () => {
    const kvm = Kvm.open();
    expect(kvm.checkExtension(10)).to.be.greaterThan(0);
    expect(kvm.checkExtension(0x7fff_ffff)).to.equal(0);
    expect(kvm.addressBits).to.be.within(32, 52);
    expect(() => kvm.checkExtension(0.5)).to.throw(RangeError);
    kvm.close();
    kvm.close();
    for (const work of [() => kvm.checkExtension(1), () => kvm.createVm(), () => kvm.addressBits]) {
      expect(dmaError(work).code).to.equal('ERR_CLOSED');
    }
  });

  it('refuses what is no eventfd', () => {
    using kvm = Kvm.open();
    using vm = kvm.createVm();
    vm.createIrqChip();
    const event = { address: 0x3f8n, port: true, length: 1 };
    expect(dmaError(() => vm.connectInterrupt(process.stderr.fd, 5)).request).to.equal('KVM_IRQFD');
    expect(dmaError(() => vm.connectWrites(process.stderr.fd, event)).request).to.equal('KVM_IOEVENTFD');
    expect(() => {
      vm.connectWrites(0, { ...event, length: 9 });
    }).to.throw(RangeError);
    expect(() => {
      vm.connectWrites(0, { ...event, port: 'no' as never });
    }).to.throw(TypeError, 'port');
  });
});
