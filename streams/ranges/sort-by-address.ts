import type { Ranged } from './range-map.js';
import { argsort } from './argsort.js';

/** Sorted by address, in place. Most lists are sorted already. Items that start at the same page keep their order. */
export function sortByAddress<T extends Ranged>(items: T[]): T[] {
  return isAscending(items) ? items : sort(items);
}

/** The same in a list of its own, unless it is sorted already. */
export function sortedByAddress<T extends Ranged>(items: readonly T[]): readonly T[] {
  return isAscending(items) ? items : sort([...items]);
}

/** Whether those from `from` up to and without `to` are sorted. */
export function isAscending(items: readonly Ranged[], from = 0, to = items.length): boolean {
  for (let index = from + 1; index < to; index++) {
    if ((items[index] as Ranged).range.startPage < (items[index - 1] as Ranged).range.startPage) {
      return false;
    }
  }
  return true;
}

/** Where pages are read from, once, and compared: `Array.prototype.sort` reads two items and their ranges for every comparison. */
function sort<T extends Ranged>(items: T[]): T[] {
  const { length } = items;
  const order = argsort(length, (index) => (items[index] as T).range.startPage);
  const before = items.slice();
  for (let index = 0; index < length; index++) {
    items[index] = before[order[index] as number] as T;
  }
  return items;
}
