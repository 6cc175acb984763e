import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryRange } from '../../../streams/index.js';
import { RegionState } from '../../../streams/regions/region-state.js';
import { runAtOnce } from '../../../streams/util/coroutine.js';
import { RegionTable } from '../../../streams/regions/region-table.js';

let sequence = 0;

function state(start: number, end: number, priority: number, name = `${start}-${end} ${priority}`): RegionState {
  return new RegionState({
    name,
    range: MemoryRange.ofPages(start, end),
    priority,
    type: 'ram',
    sequence: sequence++,
    owner: {},
  });
}

describe('RegionTable', () => {
  describe('conflict', () => {
    // One region of priority 5 over pages 4 to 8; of which priorities may another be there?
    const geometries = [
      { how: 'over the left edge', pages: [3, 5], allowed: [] },
      { how: 'over the right edge', pages: [7, 9], allowed: [] },
      { how: 'inside', pages: [5, 6], allowed: [4] },
      { how: 'inside at the start', pages: [4, 5], allowed: [4] },
      { how: 'inside at the end', pages: [7, 8], allowed: [4] },
      { how: 'around', pages: [3, 9], allowed: [6] },
      { how: 'around from the same start', pages: [4, 9], allowed: [6] },
      { how: 'around to the same end', pages: [3, 8], allowed: [6] },
      { how: 'over the same pages', pages: [4, 8], allowed: [4, 5, 6] },
      { how: 'just before', pages: [3, 4], allowed: [4, 5, 6] },
      { how: 'just after', pages: [8, 9], allowed: [4, 5, 6] },
    ] as const;
    for (const { how, pages, allowed } of geometries) {
      for (const priority of [4, 5, 6]) {
        const may = (allowed as readonly number[]).includes(priority);
        it(`${may ? 'does not exist' : 'exists'} for a region of priority ${priority} ${how}`, () => {
          const table = new RegionTable();
          const existing = state(4, 8, 5);
          table.add(existing);
          expect(table.conflict(MemoryRange.ofPages(pages[0], pages[1]), priority)).to.equal(
            may ? undefined : existing,
          );
        });
      }
    }

    it('is one of the highest priority, whatever the order in which the regions were added', () => {
      for (const priorities of [
        [1, 2, 3],
        [3, 2, 1],
        [2, 3, 1],
      ]) {
        const table = new RegionTable();
        const regions = priorities.map((priority) => state(0, 4, priority));
        regions.forEach((region) => {
          table.add(region);
        });
        expect(table.conflict(MemoryRange.ofPages(2, 6), 0)?.priority).to.equal(3);
      }
    });

    it('is found at both ends of many contained regions', () => {
      const table = new RegionTable();
      const regions = [state(0, 4, 0), state(4, 8, 0), state(8, 12, 0)];
      for (const region of regions) {
        table.add(region);
      }
      expect(table.conflict(MemoryRange.ofPages(0, 12), 1)).to.equal(undefined);
      expect(table.conflict(MemoryRange.ofPages(2, 12), 1)).to.equal(regions[0]);
      expect(table.conflict(MemoryRange.ofPages(0, 10), 1)).to.equal(regions[2]);
      expect(table.conflict(MemoryRange.ofPages(12, 20), 1)).to.equal(undefined);
    });

    it('does not exist after the region is removed', () => {
      const table = new RegionTable();
      const region = state(4, 8, 5);
      table.add(region);
      table.remove(region);
      expect(table.conflict(MemoryRange.ofPages(3, 5), 5)).to.equal(undefined);
      table.remove(region);
      expect(table.overlapping(MemoryRange.ofPages(0, 100))).to.deep.equal([]);
    });
  });

  describe('overlapping', () => {
    it('lists the highest priority first, and equal regions in the order in which they were added', () => {
      const table = new RegionTable();
      const [low, first, second, high] = [state(0, 4, 0), state(0, 8, 1), state(0, 8, 1), state(0, 16, 2)];
      for (const region of [second, high, low, first]) {
        table.add(region);
      }
      expect(table.overlapping(MemoryRange.ofPages(3, 4))).to.deep.equal([high, first, second, low]);
      expect(table.overlapping(MemoryRange.ofPages(8, 9))).to.deep.equal([high]);
      expect(runAtOnce(table.all())).to.have.members([low, first, second, high]);
    });

    it('keeps the original order for a region that was removed and restored', () => {
      const table = new RegionTable();
      const [first, second] = [state(0, 8, 1), state(0, 8, 1)];
      table.add(first);
      table.add(second);
      table.remove(first);
      table.add(first);
      expect(table.overlapping(MemoryRange.ofPages(0, 1))).to.deep.equal([first, second]);
    });
  });

  for (const rule of ['contained', 'any'] as const) {
    it(`gives the same results as a search of all regions, after any additions and removals, with the rule '${rule}'`, () => {
      const step = fc.record({
        start: fc.nat({ max: 40 }),
        length: fc.integer({ min: 1, max: 24 }),
        priority: fc.nat({ max: 2 }),
        removes: fc.boolean(),
        pick: fc.nat({ max: 9 }),
      });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
          const table = new RegionTable(rule);
          const present: RegionState[] = [];
          for (const { start, length, priority, removes, pick } of steps) {
            const victim = present[pick];
            if (removes && victim !== undefined) {
              table.remove(victim);
              present.splice(pick, 1);
              continue;
            }
            const region = state(start, start + length, priority);
            const inTheWay = rule === 'any' ? [] : present.filter((other) => !fits(region, other));
            const conflict = table.conflict(region.range, priority);
            expect(conflict === undefined).to.equal(inTheWay.length === 0);
            if (conflict !== undefined) {
              expect(inTheWay).to.include(conflict);
              continue;
            }
            table.add(region);
            present.push(region);
          }
          for (const { range } of present) {
            const found = present
              .filter((other) => other.range.overlaps(range))
              .sort((a, b) => b.priority - a.priority || a.sequence - b.sequence);
            expect(table.overlapping(range)).to.deep.equal(found);
            expect(runAtOnce(table.overlappingInSlices(range))).to.deep.equal(found);
          }
          expect(runAtOnce(table.all())).to.have.members(present);
        }),
      );
    });
  }

  it('finds regions of every size up to the whole address space', () => {
    const table = new RegionTable('any');
    const regions = [1, 2, 3, 4, 5, 2 ** 51, 2 ** 51 + 1, 2 ** 52 - 1, 2 ** 52].map((pages) => state(0, pages, 0));
    const last = state(2 ** 52 - 1, 2 ** 52, 0);
    for (const region of [...regions, last]) {
      table.add(region);
    }
    expect(table.overlapping(MemoryRange.ofPages(0, 1))).to.deep.equal(regions);
    expect(table.overlapping(last.range)).to.deep.equal([regions[8], last]);
    expect(table.overlapping(MemoryRange.ofPages(2 ** 51, 2 ** 51 + 1))).to.deep.equal(regions.slice(6));
  });

  it('lists the regions from a page on in parts, none of which is much longer than asked for', () => {
    const regionPages = fc.record({ start: fc.nat({ max: 400 }), length: fc.integer({ min: 1, max: 60 }) });
    fc.assert(
      fc.property(fc.array(regionPages, { maxLength: 60 }), fc.integer({ min: 1, max: 9 }), (places, most) => {
        const table = new RegionTable('any');
        const all = places.map(({ start, length }) => state(start, start + length, 0));
        for (const region of all) {
          table.add(region);
        }
        for (let page = 0; page < 2 ** 52;) {
          const from = page;
          const { regions, end } = table.from(from, most);
          expect(end).to.be.above(from);
          const isHere = ({ range }: RegionState): boolean => range.startPage < end && range.endPage > from;
          expect(regions.filter(isHere)).to.have.members(all.filter(isHere));
          expect(new Set(regions).size, 'each once').to.equal(regions.length);
          page = end;
        }
      }),
    );
    const table = new RegionTable('any');
    for (let index = 0; index < 5_000; index++) {
      table.add(state(2 * index, 2 * index + 1, 0));
    }
    expect(table.from(2_000, 50).regions.length).to.be.within(50, 100);
  });
});

function fits(a: RegionState, b: RegionState): boolean {
  if (!a.range.overlaps(b.range)) {
    return true;
  }
  if (a.priority === b.priority) {
    return a.range.equals(b.range);
  }
  return a.priority > b.priority ? a.range.contains(b.range) : b.range.contains(a.range);
}
