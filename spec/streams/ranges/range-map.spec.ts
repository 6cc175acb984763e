import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryRange } from '../../../streams/ranges/memory-range.js';
import { RangeMap } from '../../../streams/ranges/range-map.js';
import type { Ranged } from '../../../streams/ranges/range-map.js';

const LAST_PAGE = 2 ** 52;

/** The same map, too simple to be wrong. */
class SortedArray {
  entries: Ranged[];

  constructor(entries: Ranged[] = []) {
    this.entries = entries;
  }

  overlapping(range: MemoryRange): Ranged[] {
    return this.entries.filter((entry) => entry.range.overlaps(range));
  }

  startingAt(page: number): Ranged | undefined {
    return this.entries.find((entry) => entry.range.startPage === page);
  }

  put(value: Ranged): void {
    this.remove(value.range);
    this.entries.push(value);
    this.entries.sort((a, b) => a.range.startPage - b.range.startPage);
  }

  remove(range: MemoryRange): Ranged | undefined {
    const found = this.startingAt(range.startPage);
    this.entries = this.entries.filter((entry) => entry !== found);
    return found;
  }
}

interface Pair {
  readonly map: RangeMap<Ranged>;
  readonly model: SortedArray;
}

function entry(startPage: number, endPage: number): Ranged {
  return { range: MemoryRange.ofPages(startPage, endPage) };
}

function expectSame({ map, model }: Pair): void {
  map.checkInvariants();
  expect(map.size).to.equal(model.entries.length);
  expect([...map]).to.deep.equal(model.entries);
  expect(map.toArray()).to.deep.equal(model.entries);
}

function expectSameAt({ map, model }: Pair, range: MemoryRange): void {
  const overlapping = model.overlapping(range);
  expect(map.overlapping(range)).to.deep.equal(overlapping);
  expect(map.firstOverlap(range)).to.equal(overlapping[0]);
  expect(map.overlaps(range)).to.equal(overlapping.length > 0);
  expect(map.startingAt(range.startPage)).to.equal(model.startingAt(range.startPage));
}

/** Inserts, replaces, looks up or removes at `range`, in both, and compares what came back. */
function act(
  pair: Pair,
  action: 'insert' | 'replace' | 'remove' | 'remove exactly' | 'look',
  range: MemoryRange,
): void {
  const { map, model } = pair;
  const value: Ranged = { range };
  switch (action) {
    case 'insert': {
      const inTheWay = model.overlapping(range)[0];
      expect(map.insert(value)).to.equal(inTheWay);
      if (inTheWay === undefined) {
        model.put(value);
      }
      break;
    }
    case 'replace':
      if (model.overlapping(range).every((other) => other.range.equals(range))) {
        map.replace(value);
        model.put(value);
      }
      break;
    case 'remove':
      expect(map.remove(range)).to.equal(model.remove(range));
      break;
    case 'remove exactly': {
      const exact = model.startingAt(range.startPage)?.range.equals(range) === true;
      expect(map.removeExact(range)).to.equal(exact ? model.remove(range) : undefined);
      break;
    }
    case 'look':
      expectSameAt(pair, range);
      break;
  }
}

const smallRange = fc
  .tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 1, max: 4 }))
  .map(([start, length]) => MemoryRange.ofPages(start, start + length));

/** Anywhere, of any order of magnitude, and now and then at the very end. */
const anyRange = fc
  .tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 0, max: 51 }))
  .map(([place, magnitude]) => {
    const length = 2 ** magnitude;
    const start = Math.floor(place * (LAST_PAGE - length + 1));
    return MemoryRange.ofPages(start, start + length);
  });

describe('RangeMap', () => {
  it('is empty at first', () => {
    const pair = { map: new RangeMap<Ranged>(), model: new SortedArray() };
    expectSame(pair);
    expectSameAt(pair, MemoryRange.ofPages(0, LAST_PAGE));
    expect(pair.map.remove(MemoryRange.ofPages(5, 6))).to.equal(undefined);
  });

  it('holds the first and the last page of the address space', () => {
    const map = new RangeMap<Ranged>();
    const first = entry(0, 1);
    const last = entry(LAST_PAGE - 1, LAST_PAGE);
    expect(map.insert(last)).to.equal(undefined);
    expect(map.insert(first)).to.equal(undefined);
    expect([...map]).to.deep.equal([first, last]);
    expect(map.insert(entry(0, LAST_PAGE))).to.equal(first);
    expect(map.insert(entry(1, LAST_PAGE))).to.equal(last);
    expect(map.insert(entry(1, LAST_PAGE - 1))).to.equal(undefined);
    expect(map.startingAt(LAST_PAGE - 1)).to.equal(last);
    expect(map.remove(first.range)).to.equal(first);
    expect(map.firstOverlap(MemoryRange.ofPages(0, 1))).to.equal(undefined);
  });

  it('holds one entry that is the whole address space', () => {
    const map = new RangeMap<Ranged>();
    const whole = entry(0, LAST_PAGE);
    map.insert(whole);
    expect(map.overlapping(MemoryRange.ofPages(LAST_PAGE - 1, LAST_PAGE))).to.deep.equal([whole]);
    expect(map.insert(entry(7, 8))).to.equal(whole);
    expect(map.size).to.equal(1);
  });

  it('accepts ranges that touch each other', () => {
    const map = new RangeMap<Ranged>();
    expect(map.insert(entry(2, 4))).to.equal(undefined);
    expect(map.insert(entry(4, 6))).to.equal(undefined);
    expect(map.insert(entry(0, 2))).to.equal(undefined);
    expect(map.size).to.equal(3);
  });

  for (const [geometry, start, end] of [
    ['the same', 10, 20],
    ['one on the left', 5, 11],
    ['one on the right', 19, 25],
    ['one inside', 12, 15],
    ['one around', 5, 25],
  ] as const) {
    it(`refuses ${geometry}, returns the existing entry and changes nothing`, () => {
      const map = new RangeMap<Ranged>();
      const there = entry(10, 20);
      map.insert(there);
      expect(map.insert(entry(start, end))).to.equal(there);
      expect([...map]).to.deep.equal([there]);
    });
  }

  it('finds the first entry that overlaps a range which extends over two leaves', () => {
    const map = new RangeMap<Ranged>();
    const model = new SortedArray();
    for (let page = 0; page < 30_000; page += 10) {
      const value = entry(page, page + 9);
      map.insert(value);
      model.put(value);
    }
    for (let page = 0; page < 30_000; page += 7) {
      const value = entry(page, page + 15);
      expect(map.insert(value)).to.equal(map.overlapping(value.range)[0]).and.not.equal(undefined);
    }
    for (let page = 9; page < 30_000; page += 10) {
      expect(map.overlaps(MemoryRange.ofPages(page, page + 1))).to.equal(false);
      expect(map.firstOverlap(MemoryRange.ofPages(page, page + 1))).to.equal(undefined);
      expect(map.firstOverlap(MemoryRange.ofPages(page, page + 2))?.range.startPage).to.equal(
        page < 29_999 ? page + 1 : undefined,
      );
    }
    expectSame({ map, model });
  });

  it('finds an entry that extends into the pages of the next leaf', () => {
    for (let page = 10; page < 3_000; page += 10) {
      const changed = new RangeMap<Ranged>();
      for (let other = 0; other < 3_000; other += 10) {
        changed.insert(entry(other, other + 10));
      }
      changed.remove(MemoryRange.ofPages(page - 10, page));
      changed.remove(MemoryRange.ofPages(page, page + 10));
      const wide = entry(page - 10, page + 5);
      expect(changed.insert(wide)).to.equal(undefined);
      expect(changed.insert(entry(page + 2, page + 3))).to.equal(wide);
      expect(changed.overlaps(MemoryRange.ofPages(page + 2, page + 3))).to.equal(true);
      expect(changed.overlapping(MemoryRange.ofPages(page + 2, page + 6))).to.deep.equal([wide]);
      expect(changed.insert(entry(page + 5, page + 6))).to.equal(undefined);
    }
  });

  it('grows at both ends, and is empty after all entries are removed in any order', () => {
    const ascending = Array.from({ length: 5_000 }, (_, index) => entry(index * 3, index * 3 + 2));
    const descending = ascending.toReversed();
    const mixed = ascending.map((_, index) => ascending[(index * 7919) % ascending.length] ?? entry(0, 1));
    const orders = [ascending, descending, mixed];
    for (const inserted of orders) {
      for (const removed of orders) {
        const map = new RangeMap<Ranged>();
        expect(inserted.every((value) => map.insert(value) === undefined)).to.equal(true);
        expect([...map].every((value, index) => value === ascending[index])).to.equal(true);
        expect(removed.every((value) => map.remove(value.range) === value)).to.equal(true);
        expect(map.size).to.equal(0);
        expect([...map]).to.deep.equal([]);
      }
    }
  });

  it('replaces the entry with the same range, and inserts where there is none', () => {
    const map = new RangeMap<Ranged>();
    const [first, second] = [entry(1, 2), entry(1, 2)];
    map.replace(first);
    map.replace(second);
    expect(map.size).to.equal(1);
    expect(map.startingAt(1)).to.equal(second);
  });

  it('returns an array of its entries, which later changes do not affect', () => {
    const map = new RangeMap<Ranged>();
    const values = Array.from({ length: 1_000 }, (_, index) => entry(index, index + 1));
    values.forEach((value) => map.insert(value));
    const array = map.toArray();
    expect(array).to.deep.equal(values);
    for (const value of values) {
      expect(map.remove(value.range)).to.equal(value);
    }
    expect(map.size).to.equal(0);
    expect(map.toArray()).to.deep.equal([]);
    expect(array).to.deep.equal(values);
  });

  it('names the invariant that a damaged map breaks', () => {
    const map = new RangeMap<{ range: MemoryRange }>();
    const value = { range: MemoryRange.ofPages(1, 2) };
    map.insert(value);
    map.checkInvariants();
    value.range = MemoryRange.ofPages(3, 4);
    expect(() => {
      map.checkInvariants();
    }).to.throw('range map is damaged: the entry at page 1 has its pages');
  });

  it('behaves like a sorted array', () => {
    const step = fc.record({
      action: fc.constantFrom('insert', 'insert', 'insert', 'replace', 'remove', 'remove exactly', 'look'),
      range: smallRange,
    });
    fc.assert(
      fc.property(fc.array(step, { size: 'max', maxLength: 1_500 }), (steps) => {
        const pair: Pair = { map: new RangeMap(), model: new SortedArray() };
        for (const { action, range } of steps) {
          act(pair, action, range);
        }
        expectSame(pair);
      }),
      { numRuns: 100 },
    );
  });

  it('is correct after series of insertions and removals', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 4_000 }), fc.nat(9_999)), { maxLength: 8 }),
        (waves) => {
          const map = new RangeMap<Ranged>();
          const held = new Map<number, Ranged>();
          for (const [grow, amount, from] of waves) {
            for (let index = 0; index < amount; index++) {
              const page = ((from + index * 6_007) % 10_000) * 2;
              const value = entry(page, page + 1 + (page % 4 === 0 ? 1 : 0));
              if (grow && map.insert(value) === undefined) {
                held.set(page, value);
              } else if (!grow) {
                expect(map.remove(value.range) === held.get(page)).to.equal(true);
                held.delete(page);
              }
            }
            map.checkInvariants();
            const values = [...held.values()].sort((a, b) => a.range.startPage - b.range.startPage);
            expect(map.size).to.equal(values.length);
            expect([...map].every((value, index) => value === values[index])).to.equal(true);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('behaves like a sorted array in the whole address space', () => {
    const step = fc.tuple(fc.constantFrom('insert', 'replace', 'remove', 'remove exactly', 'look'), anyRange);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pair: Pair = { map: new RangeMap(), model: new SortedArray() };
        steps.forEach(([action, range]) => {
          act(pair, action, range);
          pair.map.checkInvariants();
        });
        expectSame(pair);
      }),
    );
  });
});
