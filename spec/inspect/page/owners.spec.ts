import { expect } from 'chai';
import fc from 'fast-check';
import { Owners, type Cover } from '../../../inspect/page/model/owners.js';
import { shownParts } from '../../../inspect/page/model/shown.js';
import { applyChanges, NO_STATE } from '../../../inspect/page/model/state.js';
import type { Pages } from '../../../inspect/wire/messages.js';
import { changes, mapping, region } from './support/wire.js';

const anyRange = fc
  .tuple(fc.nat(40), fc.integer({ min: 1, max: 30 }))
  .map(([start, length]): Pages => [start, start + length]);

describe('the region of a name that a mapping is of', () => {
  it('is the first one by rank that contains it', () => {
    fc.assert(
      fc.property(fc.array(anyRange, { maxLength: 20 }), fc.array(anyRange, { maxLength: 20 }), (ranges, asked) => {
        const covers = ranges.map((pages, rank): Cover => ({ pages, region: rank, rank }));
        const owners = new Owners(covers);
        for (const [start, end] of asked.sort((a, b) => a[0] - b[0])) {
          const owner = covers.find(({ pages }) => pages[0] <= start && end <= pages[1]);
          expect(owners.of([start, end])).to.equal(owner);
        }
      }),
    );
  });

  it('is found by looking at few of many regions of one name', () => {
    let reads = 0;
    const counted = (pages: Pages): Pages =>
      new Proxy(pages, {
        get: (target, key) => {
          reads++;
          return Reflect.get(target, key) as unknown;
        },
      });
    const count = 500;
    const regions = Array.from({ length: count }, (_, key) => ({
      ...region(key, key * 10, key * 10 + 10, { name: 'one', holes: 'transparent' }),
      pages: counted([key * 10, key * 10 + 10]),
    }));
    const mappings = Array.from({ length: 5 * count }, (_, index) => mapping(2 * index, 2 * index + 1, 'one'));
    const state = applyChanges(NO_STATE, changes({ regions, mappings }));
    reads = 0;
    expect(shownParts(state.regions, state.mappings).size).to.equal(5 * count);
    // For each region a few to sort it in; to go through the regions for each mapping would be more than a million.
    expect(reads).to.be.lessThan(100 * count);
  });
});
