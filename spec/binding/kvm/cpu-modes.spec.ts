import { expect } from 'chai';
import { identityPageTables } from '../../../binding/index.js';
import { eachWithMachine, FAR } from '../../support/kvm-machine.js';

describe('a vCPU in long mode', () => {
  const bench = eachWithMachine();

  it('shuts down after a triple fault', async () => {
    // Long mode without a page table: the first instruction faults, and so do all the handlers.
    bench.machine.vcpu.offerHostCpuid();
    bench.machine.vcpu.setUpLongMode({ entry: 0x1000n, pageTables: 0x8000n });
    expect(await bench.machine.vcpu.run()).to.deep.equal({ kind: 'shutdown' });
  });

  it('runs in long mode, with page tables that map what they say', async () => {
    const { vcpu, memory } = bench.machine;
    memory.write(0x10000n, identityPageTables(0x10000n, 2));
    // mov rax, 0x080706050403024c; mov dx, 0x3f8; out dx, al; mov [0x40000000], rax; hlt
    const program = [
      ...[0x48, 0xb8, 0x4c, 2, 3, 4, 5, 6, 7, 8, 0x66, 0xba, 0xf8, 3, 0xee],
      ...[0x48, 0x89, 0x04, 0x25, 0, 0, 0, 0x40, 0xf4],
    ];
    memory.write(0x1000n, Uint8Array.from(program));
    vcpu.offerHostCpuid();
    vcpu.setUpLongMode({ entry: 0x1000n, pageTables: 0x10000n, stackPointer: 0x9000n });
    expect(await vcpu.run()).to.include({ kind: 'io', direction: 'out', port: 0x3f8 });
    expect(await vcpu.run()).to.deep.equal({
      kind: 'mmio',
      direction: 'write',
      address: FAR,
      length: 8,
      data: Buffer.from([0x4c, 2, 3, 4, 5, 6, 7, 8]),
    });
    expect(await vcpu.run()).to.deep.equal({ kind: 'halt' });
    expect(vcpu.registers.rsp).to.equal(0x9000n);
    // Beyond what the tables map: a page fault, without a handler.
    memory.write(0x1000n, Uint8Array.from([0x8b, 0x04, 0x25, 0, 0, 0, 0xf0, 0xf4]));
    vcpu.setUpLongMode({ entry: 0x1000n, pageTables: 0x10000n });
    expect(await vcpu.run()).to.deep.equal({ kind: 'shutdown' });
  });

  it('tells the guest what the processor can do, when asked to', async () => {
    const { vcpu, memory } = bench.machine;
    memory.write(0x10000n, identityPageTables(0x10000n));
    // xor eax, eax; cpuid; hlt
    memory.write(0x1000n, Uint8Array.from([0x31, 0xc0, 0x0f, 0xa2, 0xf4]));
    vcpu.offerHostCpuid();
    vcpu.setUpLongMode({ entry: 0x1000n, pageTables: 0x10000n });
    expect(await vcpu.run()).to.deep.equal({ kind: 'halt' });
    expect(Number(vcpu.registers.rax)).to.be.greaterThan(0);
  });
});

describe('identityPageTables', () => {
  it('map each address to itself, by pages of 2 MiB', () => {
    const tables = identityPageTables(0x10000n, 3);
    const entry = (table: number, index: number): bigint => tables.readBigUInt64LE(table * 4096 + index * 8);
    expect(tables).to.have.lengthOf(5 * 4096);
    expect([entry(0, 0), entry(0, 1)]).to.deep.equal([0x11003n, 0n]);
    expect([0, 1, 2, 3].map((index) => entry(1, index))).to.deep.equal([0x12003n, 0x13003n, 0x14003n, 0n]);
    expect([entry(2, 0), entry(2, 1), entry(4, 511)]).to.deep.equal([0x83n, 0x200083n, 0xbfe00083n]);
  });

  it('are refused where they cannot be', () => {
    expect(() => identityPageTables(1n)).to.throw(RangeError, 'at 0x1 is not a multiple of 4096');
    expect(() => identityPageTables(0n, 0)).to.throw(RangeError, 'gigabytes 0');
    expect(() => identityPageTables(0n, 513)).to.throw(RangeError);
    expect(() => identityPageTables('0' as never)).to.throw(TypeError);
  });
});
