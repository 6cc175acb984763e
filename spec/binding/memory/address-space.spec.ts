import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../../binding/index.js';
import { DmaError, MemoryRange } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { memfdAreas } from '../support/descriptors.js';
import { dmaError } from '../support/thrown.js';

const TIB = 1n << 40n;

function residentKilobytes(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

describe('AddressSpace', () => {
  let space: AddressSpace;
  let memfd: Memfd;
  /** The line of the reservation in /proc/self/maps. */
  let reservation: string | undefined;

  beforeEach(() => {
    const earlier = memfdAreas('dma-streams');
    space = new AddressSpace({ size: TIB });
    reservation = memfdAreas('dma-streams').find((line) => !earlier.includes(line));
    memfd = Memfd.create('guest', 0x100000n);
  });

  afterEach(() => {
    space.close();
    memfd.close();
  });

  describe('the reservation', () => {
    it('of 1 TiB costs no memory, and is named', () => {
      const before = residentKilobytes();
      const earlier = memfdAreas('dma-streams');
      using other = new AddressSpace({ size: 16n * TIB });
      expect(other.size).to.equal(16n * TIB);
      expect(residentKilobytes() - before).to.be.below(4096);
      const added = memfdAreas('dma-streams').filter((line) => !earlier.includes(line));
      expect(added).to.have.length(1);
      expect(added[0]).to.include(' ---p ');
    });

    it('goes with close()', () => {
      const earlier = memfdAreas('dma-streams');
      const other = new AddressSpace({ size: TIB });
      const added = memfdAreas('dma-streams').filter((line) => !earlier.includes(line));
      expect(added).to.have.length(1);
      other.ensureMapped(ram(0, 0x1000, memfd));
      other.close();
      expect(memfdAreas('dma-streams')).to.not.include(added[0]);
    });

    it('refuses sizes that make no sense, or that no process has', () => {
      for (const size of [0n, -0x1000n, 0x1001n, 1n << 63n]) {
        expect(() => new AddressSpace({ size }), String(size)).to.throw(RangeError, /size/);
      }
      for (const size of ['4096', undefined, null]) {
        expect(() => new AddressSpace({ size: size as never }), String(size)).to.throw(TypeError, /size/);
      }
      for (const wrong of [null, 5, 'text']) {
        expect(() => new AddressSpace(wrong as never)).to.throw(TypeError, 'the options of ');
      }
      for (const size of [1n << 47n, (1n << 62n) + 0x1000n, (1n << 63n) - 0x1000n]) {
        const error = dmaError(() => new AddressSpace({ size }));
        expect(error).to.include({ code: 'ENOMEM', syscall: 'mmap' });
        expect(error.hint).to.contain('Use RamBlocks').and.contain('ask for less');
      }
    });
  });

  describe('ensureMapped', () => {
    it('maps at base + GPA, on an alignment that suits pages of every size', () => {
      const low = space.ensureMapped(ram(0, 0x1000, memfd));
      const high = space.ensureMapped(ram(0x4000_0000, 0x4000_1000, memfd));
      expect(low.address % (1n << 30n)).to.equal(0n);
      expect(high.address - low.address).to.equal(0x4000_0000n);
      expect(memfdAreas('guest')).to.have.length(2);
      const lowArea = memfdAreas('guest').find((line) => line.startsWith(`${low.address.toString(16)}-`));
      expect(lowArea).to.contain('rw-s');
    });

    it('refuses what lies beyond the reservation, up to the end of all addresses', () => {
      using small = new AddressSpace({ size: 0x10000n });
      small.ensureMapped(ram(0xf000, 0x10000));
      for (const range of [
        MemoryRange.of(0xf000, 0x11000),
        MemoryRange.of(0x10000, 0x11000),
        MemoryRange.of(2n ** 64n - 0x1000n, 2n ** 64n),
      ]) {
        const error = dmaError(() => small.ensureMapped({ ...ram(0, 0x1000), range }));
        expect(error.code).to.equal('ERR_BEYOND_ADDRESS_SPACE');
        expect(error.hint)
          .to.contain(`at least 0x${range.end.toString(16)} bytes long`)
          .and.contain('use RamBlocks');
        expect(error.hint).to.contain(`0x${range.end.toString(16)}`);
        expect(dmaError(() => small.release(range)).code).to.equal('ERR_BEYOND_ADDRESS_SPACE');
        expect(dmaError(() => small.view(range)).code).to.equal('ERR_BEYOND_ADDRESS_SPACE');
      }
    });
  });

  it('maps what is not writable read-only: the processor refuses a store, too', () => {
    space.ensureMapped(ram(0x1000, 0x2000, memfd, { writable: false }));
    expect(memfdAreas('guest')[0]).to.contain('r--s');
  });

  it('beyond the reservation fail, also where address and length wrap', () => {
    for (const gpa of [TIB - 1n, TIB, (1n << 64n) - 1n]) {
      expect(dmaError(() => space.read(gpa, 2)).code).to.be.oneOf(['EFAULT', 'ERANGE']);
      expect(dmaError(() => space.write(gpa, Buffer.alloc(2))).code).to.be.oneOf(['EFAULT', 'ERANGE']);
    }
    expect(dmaError(() => space.read(0n, Number.MAX_SAFE_INTEGER)).code).to.equal('EFAULT');
  });

  it('release keeps the addresses reserved: one reservation without a hole', () => {
    space.ensureMapped(ram(0x1000, 0x2000, memfd));
    space.ensureMapped(ram(0x3000, 0x4000, memfd));
    space.release(MemoryRange.of(0x1000, 0x2000));
    space.release(MemoryRange.of(0, 0x10000));
    expect(memfdAreas('dma-streams')).to.include(reservation);
  });

  it('leaves memory areas to the rest of the process, and says how to have more', async function () {
    const limit = Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'));
    if (limit > 200_000) {
      console.warn('      NOT RUN: vm.max_map_count was raised: it would take too long to come near it');
      this.skip();
    }
    const space = new AddressSpace({ size: 1n << 40n });
    using memfd = Memfd.create('page', 4096n);
    let mapped = 0;
    const fill = (): void => {
      for (; mapped < limit; mapped++) {
        const range = MemoryRange.ofPages(mapped * 2, mapped * 2 + 1);
        const backing = { mappable: memfd, fileOffset: 0n };
        space.ensureMapped({ range, region: 'ram', type: 'ram', writable: true, backing });
      }
    };
    const error = dmaError(fill);
    expect(error.message).to.contain('memory areas');
    expect(error.code).to.equal('ENOMEM');
    expect(error.hint).to.match(/^Use RamBlocks, .* sysctl -w vm.max_map_count=1000000$/);
    expect(mapped).to.be.greaterThan(10_000);
    space.release(MemoryRange.ofPages(0, mapped * 2));
    mapped = 0;
    expect(fill, 'what is released counts no longer').to.throw(DmaError, 'memory areas');
    expect(mapped).to.be.greaterThan(10_000);
    space.close();
    while (memfdAreas('page').length > 0) {
      await turn(); // They are given back on another thread.
    }
  });
});
