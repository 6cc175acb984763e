import { expect } from 'chai';
import fc from 'fast-check';
import { SortedList } from '../../../inspect/page/model/sorted-list.js';

interface Item {
  readonly key: number;
  readonly value: number;
}

const empty = SortedList.empty<Item>(({ key }) => key);
const edit = fc.record({
  added: fc.array(fc.record({ key: fc.nat(3000), value: fc.nat() }), { maxLength: 1500 }),
  gone: fc.array(fc.nat(3000), { maxLength: 1500 }),
});

function applied(
  items: readonly Item[],
  { added, gone }: { readonly added: readonly Item[]; readonly gone: readonly number[] },
): Item[] {
  const byKey = new Map(items.map((item) => [item.key, item]));
  gone.forEach((key) => byKey.delete(key));
  added.forEach((item) => byKey.set(item.key, item));
  return [...byKey.values()].sort((a, b) => a.key - b.key);
}

describe('a sorted list of the page', () => {
  it('is what a sorted map is after any edits, and the lists before stay as they were', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 6 }), (edits) => {
        const lists = [empty];
        const expected: (readonly Item[])[] = [[]];
        for (const one of edits) {
          lists.push((lists.at(-1) ?? empty).with(one.added, one.gone));
          expected.push(applied(expected.at(-1) ?? [], one));
        }
        expect(lists.map((list) => list.toArray())).to.deep.equal(expected);
        expect(lists.map(({ size }) => size)).to.deep.equal(expected.map(({ length }) => length));
      }),
      { numRuns: 60 },
    );
  });

  it('finds elements, the ones before, and positions', () => {
    fc.assert(
      fc.property(edit, fc.array(fc.integer({ min: -1, max: 3001 }), { maxLength: 50 }), (one, keys) => {
        const items = applied([], one);
        const list = empty.with(one.added);
        const sorted = applied([], { added: one.added, gone: [] });
        expect(list.size).to.equal(sorted.length);
        for (const key of keys) {
          expect(list.get(key)).to.deep.equal(sorted.find((item) => item.key === key));
          expect(list.floor(key)).to.deep.equal(sorted.filter((item) => item.key <= key).at(-1));
          expect(list.positionOf(key)).to.equal(sorted.filter((item) => item.key < key).length);
        }
        expect(list.at(items.length)).to.deep.equal(sorted[items.length]);
        expect(list.slice(3, 9)).to.deep.equal(sorted.slice(3, 9));
      }),
      { numRuns: 60 },
    );
  });

  it('is walked from a key, with jumps, and until told to stop', () => {
    const list = empty.with(Array.from({ length: 2000 }, (_, key) => ({ key: 2 * key, value: key })));
    const visited: number[] = [];
    list.walk(7, ({ key }) => {
      visited.push(key);
      return key === 10 ? 3001 : key === 3004 ? 3006 : key === 3008 ? Infinity : undefined;
    });
    expect(visited).to.deep.equal([8, 10, 3002, 3004, 3006, 3008]);
  });

  it('is right after most of 100,000 elements was taken away at once', () => {
    const items = Array.from({ length: 100_000 }, (_, key) => ({ key, value: key }));
    const full = empty.with(items);
    const few = full.with(
      [],
      items.filter(({ key }) => key % 100 > 0).map(({ key }) => key),
    );
    expect(few.size).to.equal(1000);
    expect(few.toArray().every(({ key }, index) => key === index * 100)).to.equal(true);
  });
});
