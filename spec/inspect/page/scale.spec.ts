import { expect } from 'chai';
import fc from 'fast-check';
import type { Pages } from '../../../inspect/wire/messages.js';
import { Fold } from '../../../inspect/page/model/fold.js';
import { ALL_PAGES, fitted, revealed, Scale, type Window } from '../../../inspect/page/model/scale.js';
import { ticksOf } from '../../../inspect/page/model/ticks.js';

const GIB = 2 ** 18;
/** RAM below 2 GiB, firmware below 4 GiB, more RAM above, and a BAR at 512 GiB. */
const PC: readonly Pages[] = [
  [0, 2 * GIB],
  [4 * GIB - 64, 4 * GIB],
  [4 * GIB, 6 * GIB],
  [512 * GIB, 512 * GIB + 65_536],
];

const anyRanges = fc
  .array(fc.tuple(fc.nat({ max: 2 ** 40 }), fc.nat({ max: 2 ** 20 })), { minLength: 1, maxLength: 40 })
  .map((pairs) => pairs.map(([start, length]) => [start, start + length + 1] as Pages).sort((a, b) => a[0] - b[0]));

describe('folded addresses', () => {
  it('leave out nothing: both directions are ascending, and each takes back the other', () => {
    fc.assert(
      fc.property(anyRanges, fc.array(fc.nat({ max: 2 ** 41 }), { minLength: 2 }), (ranges, pages) => {
        const fold = Fold.of(ranges);
        const sorted = [...pages].sort((a, b) => a - b);
        const folded = sorted.map((page) => fold.fold(page));
        expect(folded).to.deep.equal([...folded].sort((a, b) => a - b));
        sorted.forEach((page, index) => {
          const gap = fold.gaps.find(({ pages: [start, end] }) => start <= page && page < end);
          // Inside a folded gap it is as exact as its few pixels need.
          const tolerance = gap === undefined ? 0 : (gap.pages[1] - gap.pages[0]) * 1e-6;
          expect(fold.unfold(folded[index] ?? 0)).to.be.closeTo(page, tolerance);
        });
      }),
    );
  });

  it('are as long as they were where there is something', () => {
    fc.assert(
      fc.property(anyRanges, (ranges) => {
        const fold = Fold.of(ranges);
        for (const [start, end] of ranges) {
          expect(fold.fold(end) - fold.fold(start)).to.equal(end - start);
        }
      }),
    );
  });

  it('have the large empty gaps of a PC short', () => {
    const fold = Fold.of(PC);
    expect(fold.gaps.map(({ pages }) => pages)).to.deep.equal([
      [2 * GIB, 4 * GIB - 64],
      [6 * GIB, 512 * GIB],
    ]);
    expect(fold.fold(512 * GIB) - fold.fold(6 * GIB)).to.be.lessThan(GIB);
  });

  it('are the addresses where no gap is large', () => {
    expect(Fold.of([[0, 100], [101, 200]]).gaps).to.deep.equal([]); // prettier-ignore
    expect(Fold.of([]).gaps).to.deep.equal([]);
  });
});

describe('the scale', () => {
  const bounds: Window = [0, ALL_PAGES];

  it('is exact at a page of the highest addresses, as far in as one can zoom', () => {
    const page = 2 ** 51 + 12_345;
    const scale = new Scale(fitted([page, page + 1], Fold.none, bounds), Fold.none, 1000);
    expect(scale.window[1] - scale.window[0]).to.be.at.most(8);
    expect(Math.floor(scale.pageOf(scale.pixelOf(page)))).to.equal(page);
    expect(scale.pixelOf(page + 1) - scale.pixelOf(page)).to.be.greaterThan(100);
  });

  it('keeps what is under the pointer there while it zooms', () => {
    const anyFold = fc.constantFrom(Fold.none, Fold.of(PC));
    fc.assert(
      fc.property(
        anyFold,
        fc.integer({ min: 100, max: 900 }),
        fc.double({ min: 1.1, max: 50, noNaN: true }),
        (fold, pixel, factor) => {
          const window: Window = [0, 513 * GIB];
          const before = new Scale(window, fold, 1000);
          const page = before.pageOf(pixel);
          const after = new Scale(before.transformed(factor, pixel - factor * pixel, window), fold, 1000);
          expect(after.pixelOf(page)).to.be.closeTo(pixel, 0.01);
        },
      ),
    );
  });

  it('does not leave its bounds', () => {
    const limits: Window = [0, 1000];
    const scale = new Scale([100, 200], Fold.none, 500);
    expect(scale.panned(-5, limits)).to.deep.equal([0, 100]);
    expect(scale.panned(50, limits)).to.deep.equal([900, 1000]);
    expect(scale.zoomed(0.001, limits)).to.deep.equal([0, 1000]);
    const [start, end] = scale.zoomed(1e9, limits);
    expect(end - start).to.be.closeTo(1, 1e-9);
  });

  it('comes as near to the only page after a gap that is folded as to any other, and keeps it in sight', () => {
    const page: Pages = [ALL_PAGES - 1, ALL_PAGES];
    const fold = Fold.of([[0, 163], page]);
    let scale = new Scale(fitted(page, fold, bounds, 3), fold, 700);
    for (let times = 0; times < 60; times++) {
      scale = new Scale(scale.zoomed(1.5, bounds, scale.middleOf(page)), fold, 700);
    }
    expect(scale.pixelOf(page[1]) - scale.pixelOf(page[0])).to.be.closeTo(700, 1);
    expect(scale.middleOf(page)).to.be.closeTo(350, 1);
    expect(scale.middleOf([0, 163])).to.equal(undefined);
  });

  it('shows a range by moving as little as it has to', () => {
    const limits: Window = [0, 1000];
    expect(revealed([100, 200], [110, 120], Fold.none, limits)).to.deep.equal([100, 200]);
    expect(revealed([100, 200], [500, 520], Fold.none, limits)).to.deep.equal([460, 560]);
    const [start, end] = revealed([100, 200], [300, 600], Fold.none, limits);
    expect([start < 300, end > 600]).to.deep.equal([true, true]);
  });
});

describe('the marks of the axis', () => {
  const ticks = (window: Window, fold = Fold.none): ReturnType<typeof ticksOf> =>
    ticksOf(new Scale(window, fold, 800), 40);

  it('are at multiples of a power of two, as addresses and as sizes', () => {
    expect(ticks([0, 8 * GIB]).map(({ address, size }) => `${address} ${size}`)).to.deep.equal([
      ...['0x0 0', '0x20000000 512 MiB', '0x40000000 1 GiB', '0x60000000 1.5 GiB', '0x80000000 2 GiB'],
      ...['0xa0000000 2.5 GiB', '0xc0000000 3 GiB', '0xe0000000 3.5 GiB', '0x100000000 4 GiB'],
      ...['0x120000000 4.5 GiB', '0x140000000 5 GiB', '0x160000000 5.5 GiB', '0x180000000 6 GiB'],
      ...['0x1a0000000 6.5 GiB', '0x1c0000000 7 GiB', '0x1e0000000 7.5 GiB', '0x200000000 8 GiB'],
    ]);
  });

  it('are at the borders of folded gaps', () => {
    const fold = Fold.of(PC);
    const pages = ticks([0, 513 * GIB], fold).map(({ page }) => page);
    expect(pages).to.include.members([6 * GIB, 512 * GIB]);
  });

  it('are not inside of folded gaps, however near', () => {
    const page: Pages = [ALL_PAGES - 1, ALL_PAGES];
    const fold = Fold.of([[0, 163], page]);
    for (const span of [1, 4, 8, 100, 2 ** 30, ALL_PAGES]) {
      const found = ticks(new Scale([fold.unfold(fold.fold(ALL_PAGES) - span), ALL_PAGES], fold, 800).window, fold);
      expect(found.filter(({ page: at }) => at > 163 && at < ALL_PAGES - 1)).to.deep.equal([]);
    }
  });

  it('are few, apart, and end, at any place', () => {
    const anyWindow = fc
      .tuple(fc.nat({ max: ALL_PAGES - 1 }), fc.double({ min: 3, max: 52, noNaN: true }))
      .map(([start, power]): Window => [start, Math.min(ALL_PAGES, start + 2 ** power)])
      .filter(([start, end]) => end - start >= 8);
    fc.assert(
      fc.property(anyWindow, fc.constantFrom(Fold.none, Fold.of(PC)), (window, fold) => {
        const found = ticks(window, fold);
        expect(found.length).to.be.within(0, 60);
        found.slice(1).forEach(({ pixel }, index) => {
          expect(pixel - (found[index]?.pixel ?? 0)).to.be.at.least(19);
        });
      }),
    );
  });
});
