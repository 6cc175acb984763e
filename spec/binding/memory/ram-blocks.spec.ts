import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { resolveHostVa } from '../../../binding/memory/host-va.js';
import { AddressSpace, Memfd, RamBlocks } from '../../../binding/index.js';
import { native } from '../../../binding/native.js';
import { DmaError, type HostVa, MemoryRange } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { memfdAreas, openDescriptors } from '../support/descriptors.js';
import { dmaError } from '../support/thrown.js';
import { transferred } from '../support/transferred.js';

const PAGE = 0x1000;
/** Of <fcntl.h>: Node.js does not name it. */
const O_PATH = 0o10000000;
const MIB = 1 << 20;

describe('RamBlocks', () => {
  let blocks: RamBlocks;
  let memfd: Memfd;

  beforeEach(() => {
    blocks = new RamBlocks();
    memfd = Memfd.create('block', BigInt(16 * MIB));
  });

  afterEach(async () => {
    blocks.close();
    memfd.close();
    while (memfdAreas('block').length > 0) {
      collectGarbage(); // A block stays as long as there is a view of it.
      await turn(); // Long blocks are unmapped on another thread.
    }
  });

  it('refuses options that make no sense', () => {
    for (const options of [{ hugePages: 'always' }, { hugePages: true }, { hugePages: null }]) {
      expect(() => new RamBlocks(options as never)).to.throw(TypeError, 'hugePages');
    }
    for (const options of [null, 'advise', 1]) {
      expect(() => new RamBlocks(options as never)).to.throw(TypeError, 'the options of ');
    }
  });

  it('refuses what reaches to the end of all addresses, and maps what ends a page before', () => {
    const last = MemoryRange.of(2n ** 64n - 0x2000n, 2n ** 64n - 0x1000n);
    blocks.ensureMapped({ ...ram(0, PAGE, memfd), range: last });
    blocks.write(last.start, Buffer.from('last'));
    expect(blocks.read(last.end - 0x1000n, 4).toString()).to.equal('last');
    const beyond = MemoryRange.of(2n ** 64n - 0x1000n, 2n ** 64n);
    for (const use of [
      () => blocks.ensureMapped({ ...ram(0, PAGE, memfd), range: beyond }),
      () => {
        blocks.release(beyond);
      },
      () => blocks.view(beyond),
    ]) {
      expect(dmaError(use).code).to.equal('ERR_BEYOND_ADDRESS_SPACE');
    }
    for (const gpa of [2n ** 64n - 1n, beyond.start, beyond.start - 1n]) {
      expect(dmaError(() => blocks.read(gpa, 2)).code).to.equal('ERANGE');
      expect(dmaError(() => blocks.write(gpa, Buffer.alloc(2))).code).to.equal('ERANGE');
    }
  });

  describe('of a file', () => {
    it('are one memory area, whatever is mapped of it, also read-only; an address is a place in it', () => {
      const areas = native().addressSpaceAreas();
      const first = blocks.ensureMapped(ram(0, PAGE, memfd, { fileOffset: 0x5000n }));
      const alias = blocks.ensureMapped(ram(0x10_0000, 0x10_2000, memfd, { fileOffset: 0x4000n }));
      const rom = blocks.ensureMapped(ram(0x20_0000, 0x20_1000, memfd, { fileOffset: 0x5000n, writable: false }));
      expect(first.address - alias.address).to.equal(0x1000n);
      expect(rom.address).to.equal(first.address);
      expect(first.address % BigInt(2 * MIB), 'as in the file, so that huge pages fit').to.equal(0x5000n);
      expect(memfdAreas('block')).to.have.length(1);
      expect(native().addressSpaceAreas() - areas).to.equal(1);
      blocks.write(0n, Buffer.from('aliased'));
      expect(blocks.read(0x10_1000n, 7).toString()).to.equal('aliased');
      expect(blocks.read(0x20_0000n, 7).toString()).to.equal('aliased');
      for (const use of [
        () => {
          blocks.write(0x20_0000n, Buffer.from('x'));
        },
        () => blocks.view(MemoryRange.of(0x20_0000, 0x20_1000)),
      ]) {
        expect(dmaError(use)).to.include({ code: 'EACCES' });
      }
    });

    it('are shared by all its descriptors, and not by two objects', () => {
      using again = Memfd.from(memfd.fd, 'again');
      using other = new RamBlocks();
      blocks.ensureMapped(ram(0, PAGE, memfd));
      blocks.ensureMapped(ram(PAGE, 2 * PAGE, again, { fileOffset: 0x1000n }));
      expect(memfdAreas('block')).to.have.length(1);
      expect(blocks.view(MemoryRange.of(0, 2 * PAGE)).byteLength, 'side by side in one block').to.equal(2 * PAGE);
      other.ensureMapped(ram(0, PAGE, memfd));
      expect(memfdAreas('block')).to.have.length(2);
    });

    it('stay when the memfd is closed, and end with the last mapping', async () => {
      const descriptors = openDescriptors();
      const short = Memfd.create('block', 0x4000n);
      const first = blocks.ensureMapped(ram(0, PAGE, short));
      blocks.ensureMapped(ram(PAGE, 3 * PAGE, short));
      short.close();
      expect(openDescriptors()).to.equal(descriptors);
      blocks.write(0n, Buffer.from('still'));
      expect(blocks.read(BigInt(PAGE), 5).toString()).to.equal('still');
      blocks.release(MemoryRange.of(0, PAGE));
      expect(dmaError(() => resolveHostVa(first)).code).to.equal('ERR_INVALID_HOST_VA');
      expect(memfdAreas('block')).to.have.length(1);
      expect(await blocks.releaseBatch([MemoryRange.of(PAGE, 3 * PAGE)])).to.equal(undefined);
      expect(memfdAreas('block')).to.have.length(0);
    });

    it('have the access of the descriptor: one that is read-only never gives more, and is no hindrance later', () => {
      const readable = openSync(`/proc/self/fd/${memfd.fd}`, 'r');
      using file = Memfd.from(readable, 'readable');
      closeSync(readable);
      blocks.ensureMapped(ram(0, PAGE, file, { writable: false }));
      expect(memfdAreas('block')[0]).to.contain('r--s');
      expect(dmaError(() => blocks.ensureMapped(ram(PAGE, 2 * PAGE, file))).code).to.equal('EACCES');
      blocks.ensureMapped(ram(PAGE, 2 * PAGE, memfd));
      expect(memfdAreas('block')).to.have.length(2);
      expect(
        dmaError(() => blocks.ensureMapped(ram(2 * PAGE, 3 * PAGE, file))),
        'there is a writable block',
      ).to.include({ code: 'EACCES' });
      const [refused, made] = blocks.ensureMappedBatch([ram(2 * PAGE, 3 * PAGE, file), ram(3 * PAGE, 4 * PAGE, memfd)]);
      expect(refused).to.include({ code: 'EACCES' });
      expect(made).not.to.be.instanceOf(Error);
    });
  });

  it('refuse a descriptor that is not open for reading, also where another one has made the block', () => {
    const path = `/proc/self/fd/${memfd.fd}`;
    for (const [flags, label] of [
      [constants.O_WRONLY, 'only for writing'],
      [O_PATH, 'only a path'],
    ] as const) {
      const file = { fd: openSync(path, flags), label };
      const good = { fd: openSync(path, 'r'), label: 'readable' };
      const set = [
        ram(0, PAGE, good, { writable: false }),
        ram(PAGE, 2 * PAGE, file, { writable: false }),
        ram(2 * PAGE, 3 * PAGE, memfd),
        ram(3 * PAGE, 4 * PAGE, file),
        ram(4 * PAGE, 5 * PAGE, good, { writable: false }),
      ];
      for (let round = 0; round < 2; round++) {
        const answers = blocks.ensureMappedBatch(set);
        const codes = answers.map((answer) => (answer instanceof DmaError ? answer.code : 'mapped'));
        expect(codes, label).to.deep.equal(['mapped', 'EACCES', 'mapped', 'EACCES', 'mapped']);
        expect(blocks.mappedRanges()).to.have.length(3);
      }
      blocks.release(MemoryRange.of(0, 5 * PAGE));
      closeSync(file.fd);
      closeSync(good.fd);
    }
  });

  it('of private memory are one each, which ends with its mapping', () => {
    const areas = native().addressSpaceAreas();
    blocks.ensureMapped(ram(0, PAGE));
    blocks.ensureMapped(ram(PAGE, 2 * PAGE));
    expect(native().addressSpaceAreas() - areas).to.equal(2);
    blocks.write(BigInt(PAGE - 1), Buffer.from('ab'));
    expect(blocks.read(BigInt(PAGE - 1), 2).toString()).to.equal('ab');
    blocks.release(MemoryRange.of(0, PAGE));
    expect(native().addressSpaceAreas() - areas).to.equal(1);
  });

  it('of private memory have no view in common, also where the kernel places them side by side', () => {
    const pages = Array.from({ length: 64 }, (_, page) => page);
    const addresses = new Map(
      [...pages].reverse().map((page) => [page, blocks.ensureMapped(ram(page * PAGE, (page + 1) * PAGE)).address]),
    );
    const neighbours = pages
      .slice(1)
      .filter((page) => addresses.get(page) === (addresses.get(page - 1) ?? 0n) + 0x1000n);
    expect(neighbours, 'the kernel places one below the other').not.to.have.length(0);
    for (const page of neighbours) {
      const error = dmaError(() => blocks.view(MemoryRange.of((page - 1) * PAGE, (page + 1) * PAGE)));
      expect(error.code).to.equal('EADDRNOTAVAIL');
    }
  });

  it('stay while a buffer reaches them, also beyond close(); what is mapped meanwhile shows the same file', async () => {
    using file = Memfd.create('reached', 0x1000n);
    blocks.ensureMapped(ram(0, PAGE, file));
    const moved = await transferred(blocks.view(MemoryRange.of(0, PAGE)));
    blocks.release(MemoryRange.of(0, PAGE));
    moved.set(Buffer.from('later'));
    blocks.ensureMapped(ram(0, PAGE, file));
    expect(blocks.read(0n, 5).toString()).to.equal('later');
    blocks.close();
    moved[0] = 1;
    expect(memfdAreas('reached')).to.have.length(1);
  });

  it("with hugePages: 'advise' are advised so", () => {
    using advised = new RamBlocks({ hugePages: 'advise' });
    const addresses = [ram(0, PAGE, memfd), ram(4 * MIB, 8 * MIB)].map((change) => advised.ensureMapped(change));
    const plain = blocks.ensureMapped(ram(0, PAGE, memfd));
    expect(addresses.map(flagsAt).map((flags) => flags.includes('hg'))).to.deep.equal([true, true]);
    expect(flagsAt(plain)).not.to.include('hg');
  });

  it('beside an AddressSpace: an address belongs to one of them', () => {
    using space = new AddressSpace({ size: 1n << 30n });
    const [one, other] = [blocks, space].map((memory) => resolveHostVa(memory.ensureMapped(ram(0, PAGE, memfd))));
    expect(one?.space).not.to.equal(other?.space);
    expect(one?.space.openId()).not.to.equal(other?.space.openId());
    const error = dmaError(() => resolveHostVa({ address: 0n }));
    expect(error).to.be.instanceOf(DmaError).and.include({ code: 'ERR_INVALID_HOST_VA' });
    expect(error.message).to.contain('RamBlocks');
  });
});

/** The kernel's flags of the memory area that has this address. */
function flagsAt({ address }: HostVa): readonly string[] {
  let inside = false;
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? [];
    if (start !== undefined && end !== undefined) {
      inside = BigInt(`0x${start}`) <= address && address < BigInt(`0x${end}`);
    } else if (inside && line.startsWith('VmFlags:')) {
      return line.split(/\s+/).slice(1);
    }
  }
  return [];
}
