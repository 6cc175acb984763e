import type { Ranged } from './range-map.js';

/** Up to so many items are sorted by insertion, and merged from there. */
const RUN = 8;

/** The pages at which the items start, in two arrays from and to which they are merged. Kept from one call to the next. */
let keys = new Float64Array(256);
let otherKeys = new Float64Array(256);

/** Sorted by address, in place. Most lists are sorted already. Items that start at the same page keep their order. */
export function ascending<T extends Ranged>(items: T[]): T[] {
  return isAscending(items) ? items : sort(items);
}

/** The same in a list of its own, unless it is sorted already. */
export function inOrder<T extends Ranged>(items: readonly T[]): readonly T[] {
  return isAscending(items) ? items : sort([...items]);
}

function isAscending(items: readonly Ranged[]): boolean {
  for (let index = 1; index < items.length; index++) {
    if ((items[index] as Ranged).range.startPage < (items[index - 1] as Ranged).range.startPage) {
      return false;
    }
  }
  return true;
}

/**
 * Merges runs, of twice the length in each pass. `Array.prototype.sort` calls its comparison for every step, and each call reads two items and
 * their ranges; here pages are read once, and compared where they stand.
 */
function sort<T extends Ranged>(items: T[]): T[] {
  const { length } = items;
  if (keys.length < length) {
    keys = new Float64Array(length * 2);
    otherKeys = new Float64Array(length * 2);
  }
  for (let index = 0; index < length; index++) {
    const item = items[index] as T;
    const key = item.range.startPage;
    const runStart = index - (index % RUN);
    let at = index;
    for (; at > runStart && (keys[at - 1] as number) > key; at--) {
      keys[at] = keys[at - 1] as number;
      items[at] = items[at - 1] as T;
    }
    keys[at] = key;
    items[at] = item;
  }
  let from = items;
  let to = items.slice();
  for (let width = RUN; width < length; width *= 2) {
    for (let start = 0; start < length; start += width * 2) {
      merge(from, to, start, Math.min(start + width, length), Math.min(start + width * 2, length));
    }
    [from, to] = [to, from];
    [keys, otherKeys] = [otherKeys, keys];
  }
  if (from !== items) {
    for (let index = 0; index < length; index++) {
      items[index] = from[index] as T;
    }
  }
  return items;
}

/** Merges `from[start..middle)` and `from[middle..end)` into `to[start..end)`. */
function merge<T>(from: readonly T[], to: T[], start: number, middle: number, end: number): void {
  let left = start;
  let right = middle;
  for (let index = start; index < end; index++) {
    if (left < middle && (right >= end || (keys[left] as number) <= (keys[right] as number))) {
      otherKeys[index] = keys[left] as number;
      to[index] = from[left] as T;
      left++;
    } else {
      otherKeys[index] = keys[right] as number;
      to[index] = from[right] as T;
      right++;
    }
  }
}
