import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { DmaError } from '../../../streams/index.js';
import { eachWithMachine, FAR, PROGRAM } from '../../support/kvm-machine.js';
import { dmaError } from '../support/thrown.js';

describe('a vCPU', () => {
  const bench = eachWithMachine();

  it('writes to a port, and halts', async () => {
    expect(await bench.machine.run(PROGRAM.out)).to.deep.equal({
      kind: 'io',
      direction: 'out',
      port: 0x3f8,
      size: 1,
      count: 1,
      data: Buffer.from('K'),
    });
    expect(await bench.machine.vcpu.run()).to.deep.equal({ kind: 'halt' });
    expect(bench.machine.vcpu.registers.rip).to.equal(0x1007n);
  });

  it('reads from a port what the next run is given', async () => {
    const exit = await bench.machine.run(PROGRAM.in);
    expect(exit).to.include({ kind: 'io', direction: 'in', port: 0x3f8, size: 1, count: 1 });
    expect(await bench.machine.vcpu.run(Buffer.from([0x42]))).to.deep.equal({ kind: 'halt' });
    expect(bench.machine.al).to.equal(0x42);
  });

  it('writes several bytes by one string instruction', async () => {
    bench.machine.memory.write(0x5000n, Buffer.from('guest'));
    // mov dx, 0x3f8; mov si, 0; mov cx, 5; rep outsb; hlt
    const program = [0xba, 0xf8, 0x03, 0xbe, 0, 0, 0xb9, 5, 0, 0xf3, 0x6e, 0xf4];
    let text = '';
    let exit = await bench.machine.run(program, 0x5000n);
    while (exit.kind === 'io') {
      expect(exit.data).to.have.lengthOf(exit.size * exit.count);
      text += exit.data.toString();
      exit = await bench.machine.vcpu.run();
    }
    expect({ text, exit }).to.deep.equal({ text: 'guest', exit: { kind: 'halt' } });
  });

  it('reads and writes where there is no slot: an exit with the address', async () => {
    expect(await bench.machine.run(PROGRAM.read, FAR)).to.deep.equal({
      kind: 'mmio',
      direction: 'read',
      address: FAR,
      length: 1,
      data: Buffer.alloc(0),
    });
    expect(await bench.machine.vcpu.run(Buffer.from([0x17]))).to.deep.equal({ kind: 'halt' });
    expect(bench.machine.al).to.equal(0x17);
    expect(await bench.machine.run(PROGRAM.write, FAR)).to.deep.equal({
      kind: 'mmio',
      direction: 'write',
      address: FAR,
      length: 1,
      data: Buffer.from([0x5a]),
    });
  });

  it('reads ones where nobody answers, or too little is given, and never what was there before', async () => {
    await bench.machine.run(PROGRAM.in);
    await bench.machine.vcpu.run(Buffer.from([0x42]));
    await bench.machine.run(PROGRAM.in);
    await bench.machine.vcpu.run();
    expect(bench.machine.al).to.equal(0xff);
    // in ax, 0x3f8; hlt
    await bench.machine.run([0xba, 0xf8, 0x03, 0xed, 0xf4]);
    await bench.machine.vcpu.run(Buffer.from([0x12]));
    expect(bench.machine.vcpu.registers.rax & 0xffffn).to.equal(0xff12n);
  });

  it('takes no answer where nothing was asked', async () => {
    await bench.machine.run(PROGRAM.out);
    expect(await bench.machine.vcpu.run(Buffer.alloc(100_000, 7))).to.deep.equal({ kind: 'halt' });
    expect(bench.machine.al).to.equal(0x4b);
  });

  it('gives all registers, and sets those that are given', () => {
    const { vcpu } = bench.machine;
    const { rax, r15, rflags } = vcpu.registers;
    vcpu.setRegisters({ rbx: 0x1234_5678_9abc_def0n });
    expect(vcpu.registers).to.include({ rax, r15, rflags, rbx: 0x1234_5678_9abc_def0n });
    const before = vcpu.specialRegisters;
    vcpu.setSpecialRegisters({ es: { base: 0x12340n, limit: 0xffff, selector: 0x1234, access: 0x93 } });
    expect(vcpu.specialRegisters).to.deep.equal({
      ...before,
      es: { base: 0x12340n, limit: 0xffff, selector: 0x1234, access: 0x93 },
    });
  });

  it('refuses registers that do not exist, and values that are none: nothing was set', () => {
    const { vcpu } = bench.machine;
    const before = [vcpu.registers, vcpu.specialRegisters];
    expect(() => {
      vcpu.setRegisters({ rax: 1n, rxx: 1n } as never);
    }).to.throw(TypeError, 'there is no register rxx; there are rax, rbx,');
    expect(() => {
      vcpu.setRegisters({ rax: 1n, rbx: -1n });
    }).to.throw(RangeError, 'rbx -1');
    expect(() => {
      vcpu.setSpecialRegisters({ cs: { base: 0n, limit: -1, selector: 0, access: 0 } });
    }).to.throw(RangeError, 'limit of cs -1');
    expect(() => {
      vcpu.setSpecialRegisters({ gdt: { base: 0n, limit: 0x10000 } });
    }).to.throw(RangeError, 'limit of gdt 65536');
    expect(() => {
      vcpu.setUpRealMode({ entry: 0x10000 });
    }).to.throw(RangeError, 'entry must be from 0 to 0xffff bytes, not 65536');
    expect(() => {
      vcpu.setUpLongMode({ entry: 0n, pageTables: 1n });
    }).to.throw(RangeError, 'pageTables 0x1 is not a multiple of 4096');
    expect([vcpu.registers, vcpu.specialRegisters]).to.deep.equal(before);
  });

  it('refuses a second run and all registers while it runs', async () => {
    const running = bench.machine.run(PROGRAM.spin);
    const { vcpu } = bench.machine;
    for (const work of [
      () => vcpu.registers,
      () => vcpu.specialRegisters,
      () => {
        vcpu.setRegisters({ rax: 0n });
      },
    ]) {
      expect(dmaError(work)).to.include({ code: 'EBUSY', syscall: 'ioctl' });
    }
    const error = await vcpu.run().catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(DmaError);
    expect(error).to.include({ code: 'EBUSY', request: 'KVM_RUN' });
    expect((error as DmaError).hint).to.contain('wait for the promise of run');
    expect(vcpu.interrupt()).to.equal(true);
    expect(await running).to.deep.equal({ kind: 'interrupted' });
  });

  it('is interrupted before it has reached the kernel, and after: a hundred times each', async () => {
    const { vcpu } = bench.machine;
    bench.machine.load(PROGRAM.spin);
    for (let round = 0; round < 200; round++) {
      const running = vcpu.run();
      if (round % 2 === 0) {
        await sleep(1);
      }
      expect(vcpu.interrupt()).to.equal(true);
      expect(await running).to.deep.equal({ kind: 'interrupted' });
    }
    expect(vcpu.registers.rip).to.equal(0x1000n);
  });

  it('is not interrupted later, when nothing was running', async () => {
    const { vcpu } = bench.machine;
    expect(vcpu.interrupt()).to.equal(false);
    expect(await bench.machine.run(PROGRAM.out)).to.include({ kind: 'io' });
    expect(vcpu.interrupt()).to.equal(false);
    expect(await vcpu.run()).to.deep.equal({ kind: 'halt' });
  });

  it('ends an exit that was interrupted at the same time, without a trace in the next run', async () => {
    const { vcpu } = bench.machine;
    for (let round = 0; round < 200; round++) {
      bench.machine.load(PROGRAM.out);
      const running = vcpu.run();
      for (let wait = 0; wait < round % 20; wait++) {
        await Promise.resolve();
      }
      vcpu.interrupt();
      let exit = await running;
      if (exit.kind === 'interrupted') {
        exit = await vcpu.run();
      }
      expect(exit).to.include({ kind: 'io', direction: 'out' });
      expect(await vcpu.run()).to.deep.equal({ kind: 'halt' });
    }
  });

  it('is closed while it runs: the run is interrupted, and everything later is refused', async () => {
    const running = bench.machine.run(PROGRAM.spin);
    bench.machine.vcpu.close();
    bench.machine.vcpu.close();
    expect(await running).to.deep.equal({ kind: 'interrupted' });
    const late = await bench.machine.vcpu.run().catch((reason: unknown) => reason);
    expect(late).to.include({ code: 'ERR_CLOSED' });
    expect(dmaError(() => bench.machine.vcpu.registers).code).to.equal('ERR_CLOSED');
    expect(dmaError(() => bench.machine.vcpu.interrupt()).code).to.equal('ERR_CLOSED');
  });

  it('is closed after its run has ended, and before the promise is settled: the exit is not lost', async () => {
    const { vcpu } = bench.machine;
    const running = bench.machine.run(PROGRAM.out);
    // No event is handled here: registers are refused until the run has ended.
    while (isRefused(() => vcpu.registers));
    vcpu.close();
    expect(await running).to.deep.include({ kind: 'io', port: 0x3f8, data: Buffer.from('K') });
  });

  it('finds no memory any longer when the VM is closed while it runs', async () => {
    const running = bench.machine.run(PROGRAM.spin);
    await sleep(20);
    bench.machine.vm.close();
    expect(await running).to.include({ kind: 'fail', name: 'INTERNAL_ERROR' });
  });

  it('sees what is put behind a slot while it runs', async () => {
    // wait: cmp byte [0], 0; je wait; mov al, [0]; hlt
    const program = [0x80, 0x3e, 0, 0, 0, 0x74, 0xf9, 0xa0, 0, 0, 0xf4];
    bench.machine.memory.write(0x5000n, Buffer.alloc(1));
    const running = bench.machine.run(program, 0x5000n);
    await sleep(10);
    bench.machine.memory.write(0x5000n, Buffer.from([0x33]));
    expect(await running).to.deep.equal({ kind: 'halt' });
    expect(bench.machine.al).to.equal(0x33);
  });

  it('has a number that is its own in the VM', () => {
    const { vm } = bench.machine;
    expect(dmaError(() => vm.createVcpu(0))).to.include({ code: 'EEXIST', request: 'KVM_CREATE_VCPU' });
    expect(() => vm.createVcpu(-1)).to.throw(RangeError);
    expect(() => vm.createVcpu('0' as never)).to.throw(TypeError);
    using second = vm.createVcpu(1);
    expect(second.id).to.equal(1);
  });

  it('is refused for no answer that is bytes', async () => {
    const error = await bench.machine.vcpu.run('x' as never).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(TypeError);
  });

  it('fails where there is no memory to execute', async () => {
    bench.machine.load(PROGRAM.halt);
    const { cs } = bench.machine.vcpu.specialRegisters;
    bench.machine.vcpu.setSpecialRegisters({ cs: { ...cs, base: FAR } });
    const exit = await bench.machine.vcpu.run();
    expect(exit).to.include({ kind: 'fail', exit: 17, name: 'INTERNAL_ERROR' });
    expect((exit as { code: unknown }).code).to.be.a('bigint');
  });

  it('runs beside others of the same VM', async () => {
    const { vm, memory } = bench.machine;
    memory.write(0x1000n, Uint8Array.from(PROGRAM.out));
    const vcpus = [1, 2, 3].map((id) => vm.createVcpu(id));
    for (const vcpu of vcpus) {
      vcpu.setUpRealMode({ entry: 0x1000 });
    }
    const exits = await Promise.all(vcpus.map((vcpu) => vcpu.run()));
    expect(exits.map(({ kind }) => kind)).to.deep.equal(['io', 'io', 'io']);
    expect(exits.map((exit) => (exit as { data: Buffer }).data.toString())).to.deep.equal(['K', 'K', 'K']);
    vcpus.forEach((vcpu) => {
      vcpu.close();
    });
  });
});

function isRefused(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    expect(error).to.include({ code: 'EBUSY' });
    return true;
  }
}
