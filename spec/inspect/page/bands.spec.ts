import { expect } from 'chai';
import fc from 'fast-check';
import { bandsOf, isDense } from '../../../inspect/page/model/bands.js';
import { Fold } from '../../../inspect/page/model/fold.js';
import { Scale, type Window } from '../../../inspect/page/model/scale.js';
import { SortedList } from '../../../inspect/page/model/sorted-list.js';
import { firstPage } from '../../../inspect/page/model/state.js';
import { mapping } from './support/wire.js';
import type { WireMapping } from '../../../inspect/wire/messages.js';

const HEIGHT = 100;

/** Disjoint ranges: lengths and gaps, also none. */
const anyList = fc
  .array(fc.tuple(fc.nat(30), fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3000 }))), {
    maxLength: 400,
  })
  .map((pairs) => {
    let at = 0;
    return pairs.map(([gap, length]) => {
      at += gap;
      const one = mapping(at, at + length);
      at += length;
      return one;
    });
  });

const listOf = (mappings: readonly WireMapping[]): SortedList<WireMapping> =>
  SortedList.empty<WireMapping>(firstPage).with(mappings);

const anyWindow = fc
  .tuple(fc.nat(20_000), fc.integer({ min: 8, max: 40_000 }))
  .map(([start, span]): Window => [start, start + span]);

describe('the bands of a drawing', () => {
  it('cover every pixel in which there is something of a range, and no pixel that is farther than one from all', () => {
    fc.assert(
      fc.property(anyList, anyWindow, (mappings, window) => {
        const scale = new Scale(window, Fold.none, HEIGHT);
        const bands = bandsOf(listOf(mappings), scale);
        const painted = Array.from({ length: HEIGHT }, (_, pixel) =>
          bands.some(({ from, to }) => from <= pixel && pixel < to),
        );
        const spans = mappings.map(({ pages: [start, end] }) => [scale.pixelOf(start), scale.pixelOf(end)] as const);
        for (let pixel = 0; pixel < HEIGHT; pixel++) {
          // Borders are rounded: a whole pixel of something is painted, and a pixel with nothing beside it is not.
          const whole = spans.some(([from, to]) => from <= pixel && pixel + 1 <= to);
          const near = spans.some(([from, to]) => from < pixel + 1.5 && to > pixel - 0.5);
          const beginsHere = spans.some(([from, to]) => Math.floor(from) === pixel && to - from < 1);
          if (whole || beginsHere) {
            expect(painted[pixel], `pixel ${pixel.toString()}`).to.equal(true);
          } else if (!near) {
            expect(painted[pixel], `pixel ${pixel.toString()}`).to.equal(false);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('stand for each range of the window once', () => {
    fc.assert(
      fc.property(anyList, anyWindow, (mappings, window) => {
        const scale = new Scale(window, Fold.none, HEIGHT);
        const bands = bandsOf(listOf(mappings), scale);
        const seen = mappings.filter(({ pages: [start, end] }) => start < window[1] && end > window[0]);
        const counted = bands.reduce((sum, { count }) => sum + count, 0);
        // Those that share the last pixel with the end of the window count though they begin after it, by less than a pixel.
        const after = mappings.filter(({ pages: [start] }) => start >= window[1] && start < scale.pageOf(HEIGHT + 1));
        expect(counted).to.be.within(seen.length - 1, seen.length + after.length + 1);
      }),
      { numRuns: 300 },
    );
  });

  it('are at most a few for each pixel, of 100,000 ranges', () => {
    const mappings = Array.from({ length: 100_000 }, (_, index) => mapping(index * 20, index * 20 + 16));
    const scale = new Scale([0, 2_000_000], Fold.none, 900);
    const bands = bandsOf(listOf(mappings), scale);
    expect(bands.length).to.be.within(850, 1800);
    expect(bands.reduce((sum, { count }) => sum + count, 0)).to.equal(100_000);
    expect(bands.every((_, index) => isDense(bands, index))).to.equal(true);
  });

  it('show a range that is smaller than a pixel, and say so', () => {
    const scale = new Scale([0, 1_000_000], Fold.none, HEIGHT);
    const [small, large] = bandsOf(listOf([mapping(500_000, 500_001), mapping(700_000, 800_000)]), scale);
    expect(small).to.deep.include({ from: 50, to: 51, enlarged: true, count: 1 });
    expect(large).to.deep.include({ from: 70, to: 80, enlarged: false, count: 1 });
  });

  it('show a large range that begins in the pixel of small ones', () => {
    const scale = new Scale([0, 1_000_000], Fold.none, HEIGHT);
    const bands = bandsOf(listOf([mapping(0, 1), mapping(2, 3), mapping(10, 500_000)]), scale);
    expect(bands.map(({ from, to, count }) => [from, to, count])).to.deep.equal([
      [0, 1, 2],
      [0, 50, 1],
    ]);
  });
});
