import type { Ranged } from './range-map.js';

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

/**
 * Sorts numbers instead of objects, and without a comparison in JavaScript: each key is a start with the index of its item below it, so that one sort
 * of a typed array gives the order.
 */
function sort<T extends Ranged>(items: T[]): T[] {
  const { length } = items;
  const scale = 2 ** Math.ceil(Math.log2(length));
  const keys = new Float64Array(length);
  for (let index = 0; index < length; index++) {
    keys[index] = (items[index] as T).range.startPage * scale + index;
  }
  keys.sort();
  if ((keys[length - 1] as number) > Number.MAX_SAFE_INTEGER) {
    return items.sort((one, other) => one.range.startPage - other.range.startPage);
  }
  const before = items.slice();
  for (let place = 0; place < length; place++) {
    const key = keys[place] as number;
    items[place] = before[key - Math.floor(key / scale) * scale] as T;
  }
  return items;
}
