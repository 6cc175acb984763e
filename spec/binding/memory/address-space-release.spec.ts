import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../../binding/index.js';
import { MemoryRange } from '../../../streams/index.js';
import { ram } from '../support/changes.js';
import { BINDING, runChild, STREAMS } from '../support/child.js';
import { memfdAreas } from '../support/descriptors.js';
import { dmaError } from '../support/thrown.js';
import { transferred } from '../support/transferred.js';

/** More than is released at once. */
const LARGE = 0x800_0000;

/** In a program given as text: a space in which a large mapping of a file and a large private one have been touched. */
const TOUCHED = `
  const { AddressSpace, Memfd } = await import(${JSON.stringify(BINDING)});
  const { MemoryRange } = await import(${JSON.stringify(STREAMS)});
  const memfd = Memfd.create('touched', ${LARGE}n);
  const ranges = [MemoryRange.ofLength(0n, ${LARGE}n), MemoryRange.ofLength(1n << 32n, ${LARGE}n)];
  function touched() {
    const space = new AddressSpace({ size: 1n << 36n });
    space.ensureMappedBatch(ranges.map((range, index) => ({
      range, region: 'r', type: 'ram', writable: true,
      backing: index === 0 ? { mappable: memfd, fileOffset: 0n } : 'private',
    })));
    for (const range of ranges) space.view(range).fill(1);
    return space;
  }`;

describe('AddressSpace.releaseBatch, and what stays reserved', () => {
  let space: AddressSpace;
  let memfd: Memfd;

  beforeEach(() => {
    space = new AddressSpace({ size: 1n << 36n });
    memfd = Memfd.create('reserved', BigInt(LARGE));
  });

  afterEach(() => {
    space.close();
    memfd.close();
  });

  it('leaves readable memory where a transferred buffer is, until it is dropped', async () => {
    space.ensureMapped(ram(0, LARGE, memfd));
    const moved = await transferred(space.view(MemoryRange.of(0, LARGE)));
    moved.fill(3);
    expect(await space.releaseBatch([MemoryRange.of(0, LARGE)])).to.equal(undefined);
    expect(moved[LARGE - 1]).to.equal(0);
    moved.fill(1);
    expect(memfdAreas('reserved')).to.have.length(0);
    space.ensureMapped(ram(0, LARGE, memfd, { writable: false }));
    moved.fill(1);
    expect(space.read(0n, 6), 'what the file holds since').to.deep.equal(Buffer.alloc(6, 3));
  });

  it('of neighbours with a gap between: nothing can be mapped there meanwhile, and beside them it can', async () => {
    const [first, gap, second, beside] = [
      ram(0, LARGE),
      ram(LARGE, LARGE + 0x1000),
      ram(LARGE + 0x1000, 2 * LARGE),
      ram(2 * LARGE, 2 * LARGE + 0x1000),
    ];
    space.ensureMapped(first);
    space.ensureMapped(second);
    const done = space.releaseBatch([first.range, second.range]);
    expect(dmaError(() => space.ensureMapped(gap))).to.include({ code: 'EBUSY' });
    space.ensureMapped(beside);
    space.write(BigInt(2 * LARGE), Buffer.from('stays'));
    expect(await done).to.equal(undefined);
    expect(space.read(BigInt(2 * LARGE), 5).toString()).to.equal('stays');
    space.ensureMapped(gap);
    space.write(BigInt(LARGE), Buffer.from('there'));
    expect(space.read(BigInt(LARGE), 5).toString()).to.equal('there');
  });

  it('gives back addresses whose views are collected meanwhile', () => {
    const result = runChild(
      `${TOUCHED}
      const space = touched();
      const rest = () => memfdAreas('dma-streams').length;
      for (let round = 0; round < 30; round++) {
        const done = space.releaseBatch(ranges);
        gc();
        await turn();
        await done;
        gc();
        await turn();
        if (round === 29) break;
        space.ensureMappedBatch(ranges.map((range) => ({ range, region: 'r', type: 'ram', writable: true, backing: 'private' })));
        for (const range of ranges) space.view(range)[5] = 1;
      }
      for (let round = 0; round < 50 && rest() > 1; round++) { gc(); await sleep(10); }
      console.log(rest(), space.mappedRanges().length);
      `,
      { flags: ['--expose-gc'] },
    );
    expect(result).to.include({ status: 0, stdout: '1 0' }, result.stderr);
  }).timeout(60_000);
});
