import { inspect } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryRange } from '../../../streams/index.js';

const END = 1n << 64n;

/** Any range: its two page numbers are different, and at most 2^52. */
const anyRange = fc
  .uniqueArray(
    fc.oneof(
      fc.nat({ max: 40 }),
      fc.maxSafeNat().map((n) => n % (2 ** 52 + 1)),
    ),
    { minLength: 2, maxLength: 2 },
  )
  .map((pages) => MemoryRange.ofPages(Math.min(...pages), Math.max(...pages)));

/** Two ranges that are near each other more often than not. */
const pair = fc.tuple(anyRange, anyRange);

function pagesOf(range: MemoryRange): Set<number> {
  const pages = new Set<number>();
  for (let page = range.startPage; page < range.endPage; page++) {
    pages.add(page);
  }
  return pages;
}

const smallPair = fc.tuple(
  ...[0, 1].map(() =>
    fc
      .uniqueArray(fc.nat({ max: 12 }), { minLength: 2, maxLength: 2 })
      .map((pages) => MemoryRange.ofPages(Math.min(...pages), Math.max(...pages))),
  ),
) as fc.Arbitrary<[MemoryRange, MemoryRange]>;

describe('MemoryRange', () => {
  describe('can be made', () => {
    it('from start and end, start and length, a text, or page numbers', () => {
      for (const range of [
        MemoryRange.of(0x1000, 0x5000),
        MemoryRange.of(0x1000n, 0x5000n),
        MemoryRange.ofLength(0x1000, 0x4000n),
        MemoryRange.parse('0x1000-0x5000'),
        MemoryRange.parse('0X1000-0x5000'.toLowerCase()),
        MemoryRange.ofPages(1, 5),
      ]) {
        expect([range.start, range.end, range.length]).to.deep.equal([0x1000n, 0x5000n, 0x4000n]);
        expect([range.startPage, range.endPage]).to.deep.equal([1, 5]);
      }
    });

    it('up to exactly the end of the address space', () => {
      const whole = MemoryRange.of(0, END);
      expect(whole.length).to.equal(END);
      const last = MemoryRange.of(END - 0x1000n, END);
      expect(last.toString()).to.equal('0xfffffffffffff000-0x10000000000000000');
      expect(whole.contains(last)).to.equal(true);
    });

    it('above 2^53 with exact pages', () => {
      const start = (1n << 63n) + 0x3000n;
      expect(MemoryRange.ofLength(start, 0x1000n).start).to.equal(start);
      expect(MemoryRange.ofLength(start, 0x1000n).end).to.equal(start + 0x1000n);
    });
  });

  describe('throws a RangeError that says why', () => {
    const cases: readonly (readonly [string, () => MemoryRange, string])[] = [
      ['that is empty', () => MemoryRange.of(0x1000, 0x1000), 'empty'],
      ['ending before it starts', () => MemoryRange.of(0x2000, 0x1000), 'before it starts'],
      ['starting off a page', () => MemoryRange.of(0x1001, 0x3000), 'start 0x1001 is not a multiple'],
      ['ending off a page', () => MemoryRange.of(0x1000, 0x2fff), 'end 0x2fff is not a multiple'],
      ['below 0', () => MemoryRange.of(-0x1000n, 0x1000n), '-0x1000'],
      ['beyond 2^64', () => MemoryRange.of(0, END + 0x1000n), 'out of the address space'],
      ['beyond 2^64 by its length', () => MemoryRange.ofLength(END - 0x1000n, 0x2000n), 'out of the address space'],
      ['of length 0', () => MemoryRange.ofLength(0x1000, 0), 'length 0'],
      ['of a negative length', () => MemoryRange.ofLength(0x1000, -0x1000n), 'not positive'],
      ['with a number that is not a safe integer', () => MemoryRange.of(0, 2 ** 53), 'give a bigint'],
      ['with a number that is not an integer', () => MemoryRange.of(0.5, 4096), 'whole number of bytes'],
      ['with NaN', () => MemoryRange.of(0, Number.NaN), 'NaN'],
      ['with infinity', () => MemoryRange.ofLength(0, Number.POSITIVE_INFINITY), 'Infinity'],
      ['with a page number that is not an integer', () => MemoryRange.ofPages(1.5, 3), '1.5'],
      ['of no pages', () => MemoryRange.ofPages(3, 3), 'pages 3 to 3'],
      ['of negative pages', () => MemoryRange.ofPages(-1, 3), '-1'],
      ['of pages above 2^52', () => MemoryRange.ofPages(0, 2 ** 52 + 1), '4503599627370497'],
      ['with NaN as a page number', () => MemoryRange.ofPages(Number.NaN, 3), 'NaN'],
    ];
    it('but a TypeError for what is neither a bigint nor a number', () => {
      for (const [wrong, mentions] of [
        ['0x1000', "start must be a bigint or a number of bytes, not '0x1000'"],
        [undefined, 'not undefined'],
        [null, 'not null'],
      ] as const) {
        expect(() => MemoryRange.of(wrong as never, 0x2000)).to.throw(TypeError, mentions);
      }
      expect(() => MemoryRange.ofLength(0, '4096' as never)).to.throw(TypeError, 'length must be');
    });

    for (const [what, build, mentions] of cases) {
      it(`for a range ${what}`, () => {
        expect(build).to.throw(RangeError, mentions);
      });
    }

    for (const text of [
      '',
      '0x1000',
      '0x1000-',
      '1000-2000',
      '0x1000-0x2000 ',
      '0x1000..0x2000',
      '0xg000-0x2000',
      '-0x1000-0x2000',
      '0x1000-0x2000-0x3000',
    ]) {
      it(`for the text '${text}'`, () => {
        expect(() => MemoryRange.parse(text)).to.throw(RangeError, "'0x1000-0x5000'");
      });
    }

    it('for a text of the right form whose range is empty or not page aligned', () => {
      expect(() => MemoryRange.parse('0x1000-0x1000')).to.throw(RangeError, 'empty');
      expect(() => MemoryRange.parse('0x1000-0x1800')).to.throw(RangeError, 'page size');
    });

    it('for a shift that is not page aligned, or not inside the address space', () => {
      const range = MemoryRange.of(0x1000, 0x2000);
      expect(() => range.shift(1n)).to.throw(RangeError, 'page size');
      expect(() => range.shift(-0x2000n)).to.throw(RangeError, 'out of the address space');
      expect(() => range.shift(END)).to.throw(RangeError, 'out of the address space');
      expect(range.shift(0x1000).toString()).to.equal('0x2000-0x3000');
      expect(range.shift(-0x1000).toString()).to.equal('0x0-0x1000');
    });
  });

  it('contains the bytes from its start up to its end', () => {
    const range = MemoryRange.of(0x1000, 0x3000);
    for (const [address, isInside] of [
      [0xfff, false],
      [0x1000, true],
      [0x2fffn, true],
      [0x3000n, false],
      [-1n, false],
      [1n << 64n, false],
    ] as const) {
      expect(range.contains(address), String(address)).to.equal(isInside);
    }
    expect(MemoryRange.of(0, END).contains(END - 1n)).to.equal(true);
    expect(() => range.contains('0x1000' as never)).to.throw(
      TypeError,
      "must be a bigint or a number of bytes, not '0x1000'",
    );
    expect(() => range.contains(1.5)).to.throw(RangeError, 'a whole number of bytes, not 1.5');
  });

  it('is compared with ranges only, and says what makes one', () => {
    const range = MemoryRange.of(0x1000, 0x3000);
    for (const [other, advice] of [
      ['0x1000-0x3000', "not '0x1000-0x3000': make one with MemoryRange.parse("],
      [{ start: 0n, end: 0x1000n }, 'not an object: make one with MemoryRange.of(start, end)'],
      [undefined, 'not undefined: make one with MemoryRange.of(start, end) or MemoryRange.ofLength(start, length)'],
    ] as const) {
      expect(() => range.overlaps(other as never)).to.throw(TypeError, advice);
      expect(() => range.intersection(other as never)).to.throw(TypeError, advice);
    }
  });

  describe('compared with another range', () => {
    const base = MemoryRange.of(0x4000, 0x8000);
    const table: readonly (readonly [string, MemoryRange, boolean, boolean, string | undefined])[] = [
      ['the same', MemoryRange.of(0x4000, 0x8000), true, true, '0x4000-0x8000'],
      ['inside', MemoryRange.of(0x5000, 0x6000), true, true, '0x5000-0x6000'],
      ['inside at the start', MemoryRange.of(0x4000, 0x5000), true, true, '0x4000-0x5000'],
      ['inside at the end', MemoryRange.of(0x7000, 0x8000), true, true, '0x7000-0x8000'],
      ['over the left edge', MemoryRange.of(0x3000, 0x5000), false, true, '0x4000-0x5000'],
      ['over the right edge', MemoryRange.of(0x7000, 0x9000), false, true, '0x7000-0x8000'],
      ['around', MemoryRange.of(0x0, 0x10000), false, true, '0x4000-0x8000'],
      ['just before', MemoryRange.of(0x3000, 0x4000), false, false, undefined],
      ['just after', MemoryRange.of(0x8000, 0x9000), false, false, undefined],
      ['far away', MemoryRange.of(END - 0x1000n, END), false, false, undefined],
    ];
    for (const [what, other, contains, overlaps, intersection] of table) {
      it(`that is ${what}, ${contains ? 'contains' : 'does not contain'} it and ${overlaps ? 'overlaps' : 'does not overlap'} it`, () => {
        expect(base.contains(other)).to.equal(contains);
        expect(base.overlaps(other)).to.equal(overlaps);
        expect(base.intersection(other)?.toString()).to.equal(intersection);
      });
    }

    it('gives the same results as sets of pages', () => {
      fc.assert(
        fc.property(smallPair, ([a, b]) => {
          const [inA, inB] = [pagesOf(a), pagesOf(b)];
          const shared = [...inA].filter((page) => inB.has(page));
          expect(a.overlaps(b)).to.equal(shared.length > 0);
          expect(a.contains(b)).to.equal(shared.length === inB.size);
          const intersection = a.intersection(b);
          expect(intersection === undefined ? [] : [...pagesOf(intersection)]).to.deep.equal(shared);
          expect(a.equals(b)).to.equal(a.contains(b) && b.contains(a));
        }),
      );
    });

    it('gives the same overlap and intersection in both directions', () => {
      fc.assert(
        fc.property(pair, ([a, b]) => {
          expect(a.overlaps(b)).to.equal(b.overlaps(a));
          expect(a.intersection(b)?.toString()).to.equal(b.intersection(a)?.toString());
          expect(a.equals(b)).to.equal(b.equals(a));
        }),
      );
    });
  });

  describe('in general', () => {
    it('is equal to the range that is parsed from its text', () => {
      fc.assert(
        fc.property(anyRange, (range) => {
          expect(MemoryRange.parse(range.toString()).equals(range)).to.equal(true);
          expect(MemoryRange.parse(JSON.parse(JSON.stringify(range)) as string).equals(range)).to.equal(true);
        }),
      );
    });

    it('is equal to the range that is made from its start and its end or length', () => {
      fc.assert(
        fc.property(anyRange, (range) => {
          expect(range.start + range.length).to.equal(range.end);
          expect(MemoryRange.of(range.start, range.end).equals(range)).to.equal(true);
          expect(MemoryRange.ofLength(range.start, range.length).equals(range)).to.equal(true);
          expect([range.start % 4096n, range.end % 4096n]).to.deep.equal([0n, 0n]);
        }),
      );
    });

    it('is equal to itself after a shift and the opposite shift', () => {
      fc.assert(
        fc.property(anyRange, fc.bigInt({ min: -(1n << 52n), max: 1n << 52n }), (range, pages) => {
          const offset = pages * 4096n;
          fc.pre(range.start + offset >= 0n && range.end + offset <= END);
          const moved = range.shift(offset);
          expect(moved.start).to.equal(range.start + offset);
          expect(moved.length).to.equal(range.length);
          expect(moved.shift(-offset).equals(range)).to.equal(true);
        }),
      );
    });
  });

  it('is shown as addresses in messages, in JSON and in the console', () => {
    const range = MemoryRange.of(0x1000, 0x5000);
    expect(String(range)).to.equal('0x1000-0x5000');
    expect(JSON.stringify({ range })).to.equal('{"range":"0x1000-0x5000"}');
    expect(inspect({ range })).to.include('MemoryRange 0x1000-0x5000');
  });

  it('inside() returns the whole pages between two addresses, or undefined', () => {
    expect(MemoryRange.inside(0x1001, 0x4fffn)?.toString()).to.equal('0x2000-0x4000');
    expect(MemoryRange.inside(0x1000, 0x4000)?.toString()).to.equal('0x1000-0x4000');
    expect(MemoryRange.inside((1n << 64n) - 0x1001n, 1n << 64n)?.toString()).to.equal(
      '0xfffffffffffff000-0x10000000000000000',
    );
    for (const [start, end] of [
      [0x1000, 0x1000],
      [0x1000, 0x1fff],
      [0x1001, 0x2fff],
      [0x1001, 0x1002],
      [(1n << 64n) - 1n, 1n << 64n],
    ] as const) {
      expect(MemoryRange.inside(start, end)).to.equal(undefined);
    }
    expect(() => MemoryRange.inside(0x2000, 0x1fff)).to.throw(RangeError, 'ends before it starts');
    expect(() => MemoryRange.inside(-1, 0x2000)).to.throw(RangeError, 'reaches out of');
    expect(() => MemoryRange.inside(0, (1n << 64n) + 1n)).to.throw(RangeError, 'reaches out of');
    expect(() => MemoryRange.inside(0.5, 0x2000)).to.throw(RangeError, 'whole number');
  });
});
