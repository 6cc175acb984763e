import type { Ranged } from './range-map.js';
import { argsort } from './argsort.js';

/**
 * From this length on, radix sort is used. In sets of 4,096 mappings in random order, a change at a target that does nothing then takes 6,140
 * instructions instead of 8,030 (counted in the guest of `npm run bench:kernel -- --instructions`; `npm run bench -- change` has the time).
 * For 64 items, `Array.prototype.sort` takes 1,100 instructions an item, and radix sort 1,800.
 */
const RADIX_SORT_LENGTH_MIN = 256;

/**
 * Sorts a list by address, in place, and returns it. Fast if it is sorted already, as most lists are. Items that start at the same page keep their
 * order.
 */
export function sortByAddress<T extends Ranged>(items: T[]): T[] {
  return isAscending(items) ? items : sort(items);
}

/** Returns the list if it is sorted by address, otherwise a sorted copy. */
export function sortedByAddress<T extends Ranged>(items: readonly T[]): readonly T[] {
  return isAscending(items) ? items : sort([...items]);
}

/** Whether the items from `from` up to (not including) `to` are sorted by address. */
export function isAscending(items: readonly Ranged[], from = 0, to = items.length): boolean {
  for (let index = from + 1; index < to; index++) {
    if ((items[index] as Ranged).range.startPage < (items[index - 1] as Ranged).range.startPage) {
      return false;
    }
  }
  return true;
}

function sort<T extends Ranged>(items: T[]): T[] {
  const { length } = items;
  const order =
    length < RADIX_SORT_LENGTH_MIN ? undefined : argsort(length, (index) => (items[index] as T).range.startPage);
  if (order === undefined) {
    return items.sort((one, other) => one.range.startPage - other.range.startPage);
  }
  const before = items.slice();
  for (let index = 0; index < length; index++) {
    items[index] = before[order[index] as number] as T;
  }
  return items;
}
