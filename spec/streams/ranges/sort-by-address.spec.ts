import { expect } from 'chai';
import fc from 'fast-check';
import { sortByAddress } from '../../../streams/ranges/sort-by-address.js';
import { MemoryRange } from '../../../streams/ranges/memory-range.js';

interface Item {
  readonly range: MemoryRange;
  readonly number: number;
}

function itemsAt(pages: readonly number[]): Item[] {
  return pages.map((page, number) => ({ range: MemoryRange.ofPages(page, page + 1), number }));
}

describe('sortByAddress', () => {
  it('sorts like a comparison of starts, and keeps the order of items with the same start', () => {
    const pages = fc.array(fc.oneof(fc.nat(40), fc.integer({ min: 0, max: 2 ** 52 - 1 })), {
      size: 'max',
      maxLength: 1_000,
    });
    fc.assert(
      fc.property(pages, (starts) => {
        const items = itemsAt(starts);
        const sorted = items.toSorted((a, b) => a.range.startPage - b.range.startPage);
        expect(sortByAddress(items)).to.equal(items);
        expect(items).to.deep.equal(sorted);
      }),
    );
  });

  it('does the same in long lists of pages near each other, and in short ones', () => {
    const page = fc.oneof(fc.nat(40), fc.nat(2 ** 31));
    const pages = fc.oneof(
      fc.array(page, { minLength: 256, maxLength: 600, size: 'max' }),
      fc.array(page, { maxLength: 255, size: 'max' }),
    );
    fc.assert(
      fc.property(pages, (starts) => {
        const items = itemsAt(starts);
        const sorted = items.toSorted((a, b) => a.range.startPage - b.range.startPage);
        expect(sortByAddress(items)).to.deep.equal(sorted);
      }),
    );
  });

  it('sorts a list that is longer than all lists before', () => {
    const items = itemsAt(Array.from({ length: 20_000 }, (_, index) => (index * 7_919) % 20_000));
    sortByAddress(items);
    expect(items.every(({ range }, index) => range.startPage === index)).to.equal(true);
  });

  it('sorts short and longer lists after a list so long that its buffers are released', () => {
    for (const length of [100_000, 10, 40_000, 300]) {
      const items = itemsAt(Array.from({ length }, (_, index) => (index * 7_919) % length));
      sortByAddress(items);
      expect(
        items.every(({ range }, index) => range.startPage === index),
        String(length),
      ).to.equal(true);
    }
  });
});
