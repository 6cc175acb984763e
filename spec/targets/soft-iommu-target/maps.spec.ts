import { expect } from 'chai';
import { inspect } from 'node:util';
import { MemoryRange } from '../../../streams/index.js';
import { SoftIommuTarget } from '../../../targets/index.js';
import { defaultReserved } from '../../../targets/soft-iommu/model.js';
import { handMade, heldBy, KERNEL_MODELS, mapAll, requestOf, range, refusal, request } from '../support/requests.js';

const TOP = 1n << 64n;

/** Over a mapping of 0x4000-0x8000. */
const OVERLAPS = [
  { geometry: 'the same', start: 0x4000, end: 0x8000 },
  { geometry: 'over its left end', start: 0x2000, end: 0x5000 },
  { geometry: 'over its right end', start: 0x7000, end: 0xa000 },
  { geometry: 'inside it', start: 0x5000, end: 0x6000 },
  { geometry: 'around it', start: 0x2000, end: 0xa000 },
] as const;

const BESIDES = [
  { where: 'left of it', start: 0x2000, end: 0x4000 },
  { where: 'right of it', start: 0x8000, end: 0xa000 },
] as const;

/** Ranges that no `MemoryRange` can hold, and what a kernel says to two such numbers. */
const MALFORMED = [
  { what: 'of no bytes', start: 0x1000n, length: 0n, code: 'EINVAL', word: /empty/, rule: 'at least one page' },
  {
    what: 'from the middle of a page',
    start: 0x1800n,
    length: 0x1000n,
    code: 'EINVAL',
    word: /unaligned/,
    rule: 'multiples of the page size',
  },
  {
    what: 'of half a page',
    start: 0x1000n,
    length: 0x800n,
    code: 'EINVAL',
    word: /unaligned/,
    rule: 'multiples of the page size',
  },
  {
    what: 'of one byte',
    start: 0x1000n,
    length: 1n,
    code: 'EINVAL',
    word: /unaligned/,
    rule: 'multiples of the page size',
  },
  {
    what: 'that wraps 2^64',
    start: TOP - 0x1000n,
    length: 0x2000n,
    code: 'EOVERFLOW',
    word: /wraps/,
    rule: 'ends at 2^64 or below',
  },
  {
    what: 'that wraps from far',
    start: 0x1000n,
    length: TOP,
    code: 'EOVERFLOW',
    word: /wraps/,
    rule: 'ends at 2^64 or below',
  },
  {
    what: 'that starts beyond 2^64',
    start: TOP,
    length: 0x1000n,
    code: 'EOVERFLOW',
    word: /wraps/,
    rule: 'ends at 2^64 or below',
  },
  {
    what: 'unaligned and wrapping',
    start: TOP - 1n,
    length: 0x1000n,
    code: 'EINVAL',
    word: /unaligned/,
    rule: 'multiples of the page size',
  },
] as const;

/** With the default aperture, and the reserved window of x86. */
const OUTSIDE = [
  { what: 'the last page of 2^64', start: TOP - 0x1000n, end: TOP, rule: 'aperture' },
  { what: 'above the aperture', start: 1n << 48n, end: (1n << 48n) + 0x1000n, rule: 'aperture' },
  {
    what: 'across the end of the aperture',
    start: (1n << 48n) - 0x1000n,
    end: (1n << 48n) + 0x1000n,
    rule: 'aperture',
  },
  { what: 'the reserved window', start: 0xfee00000n, end: 0xfef00000n, rule: 'reserved' },
  { what: 'a page inside the reserved window', start: 0xfee80000n, end: 0xfee81000n, rule: 'reserved' },
  { what: 'into the reserved window', start: 0xfedff000n, end: 0xfee01000n, rule: 'reserved' },
  { what: 'out of the reserved window', start: 0xfeeff000n, end: 0xfef01000n, rule: 'reserved' },
  { what: 'around the reserved window', start: 0xfe000000n, end: 0xff000000n, rule: 'reserved' },
] as const;

const INSIDE = [
  { what: 'the first page', start: 0n, end: 0x1000n },
  { what: 'the last page of the aperture', start: (1n << 48n) - 0x1000n, end: 1n << 48n },
  { what: 'up to the reserved window', start: 0xfedff000n, end: 0xfee00000n },
  { what: 'from the end of the reserved window', start: 0xfef00000n, end: 0xfef01000n },
] as const;

for (const { model, map } of KERNEL_MODELS) {
  describe(`SoftIommuTarget ${model}: maps`, () => {
    let target: SoftIommuTarget;

    beforeEach(() => {
      target = new SoftIommuTarget({ model, reserved: defaultReserved('x64') });
    });

    it('holds what was mapped, ascending, in the ranges in which it was mapped', () => {
      mapAll(target, [
        [0x8000, 0x9000],
        [0x0, 0x4000],
        [0x4000, 0x8000],
      ]);
      expect(heldBy(target)).to.deep.equal(['0x0-0x4000', '0x4000-0x8000', '0x8000-0x9000']);
      expect(target.mappedRanges()[0]).to.be.instanceOf(MemoryRange);
      expect(target.entries).to.equal(3);
    });

    describe('over a mapping', () => {
      beforeEach(() => {
        target.mapDma(requestOf(0x4000, 0x8000, { region: 'first' }));
      });

      for (const { geometry, start, end } of OVERLAPS) {
        it(`${geometry}: EEXIST, and the error names what is in the way`, () => {
          const error = refusal(() => target.mapDma(requestOf(start, end, { region: 'second' })), 'EEXIST');
          expect(error).to.include({ request: map, target: target.name, region: 'second' });
          expect(error.range?.toString()).to.equal(range(start, end).toString());
          expect(error.message).to.contain('0x4000-0x8000').and.contain('"first"');
          expect(error.hint).to.contain('0x4000-0x8000');
          expect(heldBy(target)).to.deep.equal(['0x4000-0x8000']);
        });
      }

      for (const { where, start, end } of BESIDES) {
        it(`${where}: nothing is in the way`, () => {
          target.mapDma(requestOf(start, end));
          expect(heldBy(target)).to.have.length(2).and.include(range(start, end).toString());
        });
      }

      it('the same map again, down to backing and access: EEXIST', () => {
        const same = requestOf(0x10000, 0x11000);
        target.mapDma(same);
        refusal(() => target.mapDma(same), 'EEXIST');
      });

      it('of two in the way the error names the lower', () => {
        target.mapDma(requestOf(0x9000, 0xa000));
        expect(refusal(() => target.mapDma(requestOf(0x7000, 0x10000)), 'EEXIST').message).to.contain('0x4000-0x8000');
      });
    });

    describe('of a range put together by hand', () => {
      for (const { what, start, length, code, word, rule } of MALFORMED) {
        it(`${what}: ${code}`, () => {
          const error = refusal(() => target.mapDma(request(handMade(start, length))), code);
          expect(error).to.include({ request: map, target: target.name, region: 'ram' });
          expect(error.message).to.match(word);
          expect(error.hint).to.contain(rule);
          expect(target.entries).to.equal(0);
        });
      }

      it('that is whole pages: maps', () => {
        target.mapDma(request(handMade(0x1000n, 0x2000n)));
        expect(heldBy(target)).to.deep.equal(['0x1000-0x3000']);
      });

      it('that borrows the class of a range: is looked at as two numbers', () => {
        const forged = (startPage: unknown, endPage: unknown): MemoryRange =>
          Object.create(MemoryRange.prototype, {
            startPage: { value: startPage },
            endPage: { value: endPage },
          }) as MemoryRange;
        refusal(() => target.mapDma(request(forged(1, 1))), 'EINVAL');
        refusal(() => target.mapDma(request(forged(2 ** 52 - 1, 2 ** 52 + 1))), 'EOVERFLOW');
        for (const [start, end] of [
          [2, 1],
          [-1, 1],
          [0.5, 1],
          [0, Infinity],
          [Number.NaN, 1],
          [undefined, undefined],
        ]) {
          expect(() => target.mapDma(request(forged(start, end))), `${start} to ${end}`).to.throw();
        }
        expect(target.entries).to.equal(0);
      });

      for (const { what, value } of [
        { what: 'nothing', value: undefined },
        { what: 'null', value: null },
        { what: 'text', value: '0x1000-0x2000' },
        { what: 'numbers', value: { start: 0x1000, length: 0x1000 } },
        { what: 'a negative start', value: { start: -0x1000n, length: 0x1000n } },
        { what: 'a negative length', value: { start: 0x1000n, length: -0x1000n } },
      ]) {
        it(`that is ${what}: a TypeError says how to make one`, () => {
          expect(() => target.mapDma(request(value as never))).to.throw(TypeError, /make one with MemoryRange\./);
          expect(target.entries).to.equal(0);
        });
      }
    });

    it('of what is not a request at all: a TypeError', () => {
      for (const value of [undefined, null, 'map', 1]) {
        expect(() => target.mapDma(value as never), String(value)).to.throw(TypeError, /a map request is/);
      }
    });

    for (const [field, fields] of [
      ['region', { region: undefined }],
      ['region', { region: null }],
      ['type', { type: undefined }],
      ['type', { type: 'rom' }],
      ['writable', { writable: undefined }],
      ['writable', { writable: 'no' }],
      ['writable', { writable: 1 }],
      ['mappable', { mappable: null }],
      ['mappable', { mappable: 3 }],
      ['fileOffset', { fileOffset: undefined }],
      ['fileOffset', { mappable: { fd: -1, label: 'none' }, fileOffset: undefined }],
      ['fileOffset', { mappable: { fd: -1, label: 'none' }, fileOffset: 4096 }],
      ['hostVa', { hostVa: null }],
      ['hostVa', { hostVa: 0x1000n }],
      ['hostVa', { hostVa: { address: 4096 } }],
    ] as const) {
      it(`of a ${field} of a wrong type, ${inspect(fields)}: a TypeError that names it`, () => {
        expect(() => target.mapDma({ ...requestOf(0, 0x1000), ...(fields as object) })).to.throw(TypeError, field);
        expect(target.entries).to.equal(0);
      });
    }

    for (const [what, options] of [
      ['a file offset', { mappable: { fd: -1, label: 'none' }, fileOffset: 0x1800n }],
      ['a negative file offset', { mappable: { fd: -1, label: 'none' }, fileOffset: -0x1000n }],
      ['a host virtual address', { hostVa: { address: 0x7f00_0000_0800n } }],
    ] as const) {
      it(`of ${what} that is not page aligned: EINVAL`, () => {
        const error = refusal(() => target.mapDma(requestOf(0, 0x1000, options)), 'EINVAL');
        expect(error.message).to.contain('page size');
        expect(target.entries).to.equal(0);
      });
    }

    describe('where the IOMMU cannot translate', () => {
      for (const { what, start, end, rule } of OUTSIDE) {
        it(`${what}: EINVAL, and the error names the rule`, () => {
          const error = refusal(() => target.mapDma(requestOf(start, end)), 'EINVAL');
          const named = rule === 'aperture' ? 'aperture 0x0-0x1000000000000' : 'reserved range 0xfee00000-0xfef00000';
          expect(error.message).to.contain(named);
          expect(error.hint).to.contain(named);
          expect(error.range?.toString()).to.equal(range(start, end).toString());
          expect(target.entries).to.equal(0);
        });
      }

      for (const { what, start, end } of INSIDE) {
        it(`${what}: maps`, () => {
          target.mapDma(requestOf(start, end));
          expect(heldBy(target)).to.deep.equal([range(start, end).toString()]);
        });
      }
    });
  });
}

describe('SoftIommuTarget: of two rules that a map breaks', () => {
  /** A mapping exists below the reserved window; the map is over both. */
  function overlapAndWindow(model: 'type1v2' | 'iommufd'): () => void {
    const target = new SoftIommuTarget({ model, reserved: defaultReserved('x64') });
    target.mapDma(requestOf(0xfed00000, 0xfee00000));
    return () => target.mapDma(requestOf(0xfedff000, 0xfee01000));
  }

  it('type1v2 finds the mapping in the way first', () => {
    refusal(overlapAndWindow('type1v2'), 'EEXIST');
  });

  it('iommufd finds the reserved window first', () => {
    refusal(overlapAndWindow('iommufd'), 'EINVAL');
  });

  it('type1v2 finds the full table before the reserved window', () => {
    const target = new SoftIommuTarget({ entryLimit: 0 });
    refusal(() => target.mapDma(requestOf(0xfee00000, 0xfee01000)), 'ENOSPC');
  });
});

describe('SoftIommuTarget exact: maps', () => {
  let target: SoftIommuTarget;
  const memfd = { fd: -1, label: 'none' };
  const first = requestOf(0x4000, 0x8000, { mappable: memfd, fileOffset: 0x1000n });

  beforeEach(() => {
    target = new SoftIommuTarget({ model: 'exact' });
    target.mapDma(first);
  });

  it('accepts the same map again: same backing, offset and access', () => {
    target.mapDma({ ...first });
    target.mapDma({ ...first, region: 'by another name' });
    expect(heldBy(target)).to.deep.equal(['0x4000-0x8000']);
  });

  for (const [what, other] of [
    ['of another backing', { mappable: { ...memfd } }],
    ['of another offset', { fileOffset: 0x2000n }],
    ['of another access', { writable: false }],
    ['of another address', { hostVa: { address: 0x1000n } }],
    ['at a part of it', { range: range(0x4000, 0x5000) }],
  ] as const) {
    it(`refuses one ${what}: EINVAL`, () => {
      const error = refusal(() => target.mapDma({ ...first, ...other }), 'EINVAL');
      expect(error).to.include({ request: 'map', target: 'soft:exact' });
      expect(error.message).to.contain('0x4000-0x8000');
    });
  }

  for (const { geometry, start, end } of OVERLAPS) {
    it(`refuses another map ${geometry}: EINVAL`, () => {
      refusal(() => target.mapDma(requestOf(start, end)), 'EINVAL');
      expect(heldBy(target)).to.deep.equal(['0x4000-0x8000']);
    });
  }
});
