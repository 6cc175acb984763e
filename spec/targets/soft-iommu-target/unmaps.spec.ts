import { expect } from 'chai';
import { SoftIommuTarget } from '../../../targets/index.js';
import {
  ALL_MODELS,
  handMade,
  heldBy,
  KERNEL_MODELS,
  mapAll,
  requestOf,
  PAGE,
  range,
  refusal,
} from '../support/requests.js';

const TOP = 1n << 64n;

/** Four mappings of 8 pages, 16 pages apart. */
const FOUR = [0, 1, 2, 3].map((index) => [index * 16 * PAGE, (index * 16 + 8) * PAGE] as const);
const FOUR_TEXTS = FOUR.map(([start, end]) => range(start, end).toString());

/** An unmap that is not page aligned, of a mapping of 0x4000-0x8000. */
const UNALIGNED = [
  { what: 'the start', start: 0x4800n, length: 0x1000n },
  { what: 'the length', start: 0x4000n, length: 0x1800n },
  { what: 'both', start: 0x4001n, length: 1n },
] as const;

function pagesHeld(target: SoftIommuTarget): number {
  return target.mappedRanges().reduce((sum, { startPage, endPage }) => sum + endPage - startPage, 0);
}

for (const { model, unmap } of KERNEL_MODELS) {
  describe(`SoftIommuTarget ${model}: unmaps`, () => {
    const cutCode = model === 'type1v2' ? 'EINVAL' : 'ENOENT';
    let target: SoftIommuTarget;

    beforeEach(() => {
      target = new SoftIommuTarget({ model });
    });

    it('of one mapping: it is gone, and can be mapped again', () => {
      mapAll(target, [
        [0x0, 0x4000],
        [0x8000, 0xc000],
      ]);
      target.unmapDma(range(0x0, 0x4000));
      expect(heldBy(target)).to.deep.equal(['0x8000-0xc000']);
      target.mapDma(requestOf(0x0, 0x4000));
      expect(heldBy(target)).to.deep.equal(['0x0-0x4000', '0x8000-0xc000']);
    });

    it('over four mappings of 8 pages, 16 pages apart: one unmap removes 32 pages', () => {
      mapAll(target, FOUR);
      expect(pagesHeld(target)).to.equal(32);
      target.unmapDma(range(0, 64 * PAGE));
      expect(pagesHeld(target)).to.equal(0);
    });

    it('over some of the four and the gaps around them: the others stay', () => {
      mapAll(target, FOUR);
      target.unmapDma(range(8 * PAGE, 48 * PAGE));
      expect(heldBy(target)).to.deep.equal([FOUR_TEXTS[0], FOUR_TEXTS[3]]);
    });

    it(`that cuts the first of the four: ${cutCode}, and all four stay`, () => {
      mapAll(target, FOUR);
      const error = refusal(() => target.unmapDma(range(4 * PAGE, 64 * PAGE)), cutCode);
      expect(error).to.include({ request: unmap, target: target.name, region: 'ram' });
      expect(error.message).to.contain(FOUR_TEXTS[0]);
      expect(error.hint).to.contain(FOUR_TEXTS[0]);
      expect(heldBy(target)).to.deep.equal(FOUR_TEXTS);
    });

    const leftOfFour = model === 'type1v2' ? FOUR_TEXTS : FOUR_TEXTS.slice(3);
    it(`that cuts the last of the four: ${cutCode}, and ${leftOfFour.length} of them stay`, () => {
      mapAll(target, FOUR);
      const error = refusal(() => target.unmapDma(range(0, 52 * PAGE)), cutCode);
      expect(error.message).to.contain(FOUR_TEXTS[3]);
      expect(heldBy(target)).to.deep.equal(leftOfFour);
    });

    const leftOfTwo = model === 'type1v2' ? ['0x0-0x4000', '0x4000-0x8000'] : ['0x4000-0x8000'];
    it(`of the whole first and half of the second: ${cutCode}, and what is left is ${leftOfTwo.join(', ')}`, () => {
      mapAll(target, [
        [0x0, 0x4000],
        [0x4000, 0x8000],
      ]);
      refusal(() => target.unmapDma(range(0x0, 0x6000)), cutCode);
      expect(heldBy(target)).to.deep.equal(leftOfTwo);
    });

    for (const [what, start, end] of [
      ['its left half', 0x4000, 0x6000],
      ['its right half', 0x6000, 0x8000],
      ['its middle', 0x5000, 0x6000],
    ] as const) {
      it(`that cuts one mapping, ${what}: ${cutCode}, and it stays whole`, () => {
        target.mapDma(requestOf(0x4000, 0x8000));
        refusal(() => target.unmapDma(range(start, end)), cutCode);
        expect(heldBy(target)).to.deep.equal(['0x4000-0x8000']);
      });
    }

    for (const { what, start, length } of UNALIGNED) {
      it(`not page aligned in ${what}: ${cutCode}, and the mapping stays`, () => {
        target.mapDma(requestOf(0x4000, 0x8000));
        const error = refusal(() => target.unmapDma(handMade(start, length)), cutCode);
        expect(error.request).to.equal(unmap);
        expect(heldBy(target)).to.deep.equal(['0x4000-0x8000']);
      });
    }

    it('of no bytes: EINVAL', () => {
      target.mapDma(requestOf(0x4000, 0x8000));
      refusal(() => target.unmapDma(handMade(0x4000n, 0n)), 'EINVAL');
      expect(heldBy(target)).to.deep.equal(['0x4000-0x8000']);
    });

    for (const [what, start, length] of [
      ['from the last page', TOP - 0x1000n, 0x2000n],
      ['from the first page', 0n, TOP + 0x1000n],
      ['beyond it', TOP, 0x1000n],
    ] as const) {
      it(`that wraps 2^64, ${what}: EOVERFLOW`, () => {
        target.mapDma(requestOf(0x4000, 0x8000));
        refusal(() => target.unmapDma(handMade(start, length)), 'EOVERFLOW');
        expect(heldBy(target)).to.deep.equal(['0x4000-0x8000']);
      });
    }

    it('of everything: all is gone', () => {
      mapAll(target, FOUR);
      target.unmapDma(range(0n, TOP));
      expect(heldBy(target)).to.deep.equal([]);
    });

    it('of everything, over nothing: nothing happens', () => {
      target.unmapDma(range(0n, TOP));
      mapAll(target, FOUR);
      target.unmapDma(range(0n, TOP));
      target.unmapDma(range(0n, TOP));
      expect(heldBy(target)).to.deep.equal([]);
    });
  });
}

describe('SoftIommuTarget type1v2: unmaps of nothing', () => {
  it('a gap, or twice: nothing happens', () => {
    const target = new SoftIommuTarget();
    mapAll(target, FOUR);
    target.unmapDma(range(8 * PAGE, 16 * PAGE));
    expect(heldBy(target)).to.deep.equal(FOUR_TEXTS);
    target.unmapDma(range(0, 8 * PAGE));
    target.unmapDma(range(0, 8 * PAGE));
    expect(heldBy(target)).to.deep.equal(FOUR_TEXTS.slice(1));
  });
});

describe('SoftIommuTarget iommufd: unmaps of nothing', () => {
  it('a gap, or twice: ENOENT', () => {
    const target = new SoftIommuTarget({ model: 'iommufd' });
    mapAll(target, FOUR);
    refusal(() => target.unmapDma(range(8 * PAGE, 16 * PAGE)), 'ENOENT');
    expect(heldBy(target)).to.deep.equal(FOUR_TEXTS);
    target.unmapDma(range(0, 8 * PAGE));
    const error = refusal(() => target.unmapDma(range(0, 8 * PAGE)), 'ENOENT');
    expect(error.range?.toString()).to.equal('0x0-0x8000');
    expect(heldBy(target)).to.deep.equal(FOUR_TEXTS.slice(1));
  });
});

describe('SoftIommuTarget exact: unmaps', () => {
  let target: SoftIommuTarget;

  beforeEach(() => {
    target = new SoftIommuTarget({ model: 'exact' });
    mapAll(target, [
      [0x4000, 0x8000],
      [0x8000, 0xa000],
    ]);
  });

  it('asks for one unmap for each map', () => {
    expect(target.unmapShape).to.equal('exact');
    target.unmapDma(range(0x4000, 0x8000));
    expect(heldBy(target)).to.deep.equal(['0x8000-0xa000']);
  });

  for (const [what, start, end] of [
    ['over two maps', 0x4000, 0xa000],
    ['of a part', 0x4000, 0x5000],
    ['of more than one map', 0x4000, 0x9000],
    ['of one map and the gap before it', 0x3000, 0x8000],
    ['of one map and the gap behind it', 0x8000, 0xb000],
    ['of a gap', 0x0, 0x4000],
  ] as const) {
    it(`${what}: ENOENT, and both stay`, () => {
      const error = refusal(() => target.unmapDma(range(start, end)), 'ENOENT');
      expect(error).to.include({ request: 'unmap', target: 'soft:exact' });
      expect(heldBy(target)).to.deep.equal(['0x4000-0x8000', '0x8000-0xa000']);
    });
  }

  it('names what it touches', () => {
    const error = refusal(() => target.unmapDma(range(0x4000, 0x9000)), 'ENOENT');
    expect(error.message).to.contain('0x4000-0x8000, 0x8000-0xa000');
  });
});

for (const model of ALL_MODELS) {
  describe(`SoftIommuTarget ${model}: unmaps of what is no range`, () => {
    it('are TypeErrors', () => {
      const target = new SoftIommuTarget({ model });
      for (const value of [undefined, null, 'all', { start: 0, length: 4096 }]) {
        expect(() => target.unmapDma(value as never), String(value)).to.throw(TypeError, /make one with MemoryRange\./);
      }
    });
  });
}
