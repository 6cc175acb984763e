import type { Ranged } from './range-map.js';
import { argsort } from './argsort.js';

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

/** Reads the start of each item once. `Array.prototype.sort` would read two items and their ranges for each comparison. */
function sort<T extends Ranged>(items: T[]): T[] {
  const { length } = items;
  const order = argsort(length, (index) => (items[index] as T).range.startPage);
  const before = items.slice();
  for (let index = 0; index < length; index++) {
    items[index] = before[order[index] as number] as T;
  }
  return items;
}
