import { expect } from 'chai';
import fc from 'fast-check';
import type { WireMapping, WireRegion } from '../../../inspect/wire/messages.js';
import { regionDetails, regionTotals, targetDetails } from '../../../inspect/page/model/details.js';
import { levelsOf } from '../../../inspect/page/model/levels.js';
import { compareRank, isMapped, shownParts } from '../../../inspect/page/model/shown.js';
import { applyChanges, NO_STATE, type State } from '../../../inspect/page/model/state.js';
import { changes, mapping, region, target } from './support/wire.js';

const PAGES = 60;

const anyRegion = fc
  .record({
    start: fc.nat(PAGES - 2),
    length: fc.integer({ min: 1, max: 25 }),
    priority: fc.integer({ min: 0, max: 2 }),
    access: fc.constantFrom('unmapped', 'read-only', 'writable'),
    holes: fc.constantFrom('opaque', 'transparent'),
  } as const)
  .map(
    ({ start, length, ...more }) =>
      (key: number) =>
        region(key, start, Math.min(PAGES, start + length), more),
  );

const anyRegions = fc.array(anyRegion, { maxLength: 12 }).map((makers) => makers.map((make, key) => make(key)));

function stateOf(regions: readonly WireRegion[], mappings: readonly WireMapping[] = []): State {
  return applyChanges(NO_STATE, changes({ regions, mappings }));
}

const covers = ({ pages: [start, end] }: { readonly pages: readonly [number, number] }, page: number): boolean =>
  start <= page && page < end;

/** The first region by rank that covers a page, by going through all. */
function shownAt(regions: readonly WireRegion[], mappings: readonly WireMapping[], page: number): number | undefined {
  return [...regions]
    .sort(compareRank)
    .find(
      (one) =>
        isMapped(one) &&
        covers(one, page) &&
        (one.holes === 'opaque' || mappings.some((active) => active.region === one.name && covers(active, page))),
    )?.key;
}

describe('what shows of the regions', () => {
  it('is at each address the mapped region of the highest rank that covers it', () => {
    fc.assert(
      fc.property(anyRegions, (regions) => {
        const parts = shownParts(stateOf(regions).regions, NO_STATE.mappings);
        for (let page = 0; page < PAGES; page++) {
          const part = parts.floor(page);
          const found = part !== undefined && covers(part, page) ? part.region : undefined;
          expect(found, `page ${page.toString()}`).to.equal(shownAt(regions, [], page));
        }
      }),
    );
  });

  it('is of a region with transparent holes only its active mappings', () => {
    const regions = [region(0, 0, 40), region(1, 10, 30, { priority: 1, holes: 'transparent', name: 'window' })];
    const mappings = [mapping(0, 12, 'region 0'), mapping(12, 20, 'window'), mapping(20, 40, 'region 0')];
    const { regions: list, mappings: active } = stateOf(regions, mappings);
    expect(shownParts(list, active).toArray()).to.deep.equal([
      { pages: [0, 12], region: 0 },
      { pages: [12, 20], region: 1 },
      { pages: [20, 40], region: 0 },
    ]);
  });

  it('is in parts as long as they can be', () => {
    fc.assert(
      fc.property(anyRegions, (regions) => {
        const parts = shownParts(stateOf(regions).regions, NO_STATE.mappings).toArray();
        const joinable = parts.filter(
          ({ pages, region: key }, index) =>
            parts[index - 1]?.region === key && parts[index - 1]?.pages[1] === pages[0],
        );
        expect(joinable).to.deep.equal([]);
      }),
    );
  });

  it('is counted: regions that are hidden, or in part', () => {
    const regions = [
      region(0, 0, 10),
      region(1, 2, 4),
      region(2, 5, 6, { priority: 1 }),
      region(3, 8, 9, { access: 'unmapped', priority: 5 }),
    ];
    const { regions: list } = stateOf(regions);
    expect(regionTotals(list, shownParts(list, NO_STATE.mappings))).to.deep.equal({ mapped: 3, hidden: 1, partly: 1 });
  });
});

describe('the levels of regions', () => {
  it('have no overlaps, and one of higher rank is above those that it covers', () => {
    fc.assert(
      fc.property(anyRegions, (regions) => {
        const levels = levelsOf(stateOf(regions).regions).map((level) => level.toArray());
        const levelOf = new Map(levels.flatMap((level, index) => level.map(({ key }) => [key, index] as const)));
        expect(levelOf.size).to.equal(regions.length);
        for (const one of regions) {
          const below = regions.filter(
            (other) => compareRank(other, one) > 0 && other.pages[0] < one.pages[1] && one.pages[0] < other.pages[1],
          );
          // One above the highest of those that overlap it.
          expect(levelOf.get(one.key)).to.equal(Math.max(0, ...below.map(({ key }) => (levelOf.get(key) ?? 0) + 1)));
        }
      }),
    );
  });
});

describe('the details of a region', () => {
  it('name what covers it, and what it covers, by rank', () => {
    const regions = [
      region(0, 0, 100, { name: 'ram' }),
      region(1, 20, 30, { priority: 2 }),
      region(2, 10, 40, { priority: 1 }),
      region(3, 50, 60, { priority: 1, access: 'unmapped' }),
      region(4, 0, 5, { priority: -1 }),
    ];
    const state = stateOf(regions, [mapping(0, 10, 'ram'), mapping(40, 90, 'ram'), mapping(20, 25, 'region 1')]);
    const shown = shownParts(state.regions, state.mappings);
    const details = regionDetails(state, shown, regions[0] as WireRegion);
    expect(details.above.map(({ key }) => key)).to.deep.equal([1, 2]);
    expect(details.below.map(({ key }) => key)).to.deep.equal([4]);
    expect(details.shown).to.equal(70);
    expect(details.mappings).to.deep.include({ pages: 60, count: 2 });
  });

  it('say what each target has of a range', () => {
    const state = applyChanges(
      NO_STATE,
      changes({
        mappings: [mapping(0, 10), mapping(20, 30)],
        targets: [target(1), target(2)],
        exceptions: [
          {
            target: 2,
            added: [
              { kind: 'absent', pages: [0, 4] },
              { kind: 'stuck', pages: [12, 20] },
              { kind: 'missing', pages: [25, 30] },
            ],
          },
        ],
      }),
    );
    const summary = targetDetails(state, [2, 28]).map(({ target: { key }, held, exceptions }) => [
      key,
      held,
      exceptions.map(({ kind, overlap }) => `${kind} ${overlap.pages.toString()}`),
    ]);
    expect(summary).to.deep.equal([
      [1, 16, []],
      [2, 11, ['stuck 8', 'missing 3', 'absent 2']],
    ]);
  });

  it('count neither the gaps between absent mappings as absent, nor what is missing twice, nor what one holds that is gone', () => {
    const state = applyChanges(
      NO_STATE,
      changes({
        mappings: [mapping(0, 100), mapping(200, 210), mapping(400, 410), mapping(500, 600)],
        targets: [target(1), target(2, { phase: 'gone' })],
        exceptions: [
          {
            target: 1,
            added: [
              { kind: 'absent', pages: [200, 410] },
              { kind: 'absent', pages: [500, 600] },
              { kind: 'missing', pages: [500, 600] },
            ],
          },
        ],
      }),
    );
    const [first, second] = targetDetails(state, [0, 1000]);
    expect(first?.held).to.equal(100);
    expect(first?.exceptions.map(({ kind, overlap }) => [kind, overlap.pages])).to.deep.equal([
      ['missing', 100],
      ['absent', 20],
    ]);
    expect(second?.held).to.equal(0);
  });
});
