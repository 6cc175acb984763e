import type { MemoryRange } from './memory-range.js';
import type { Ranged } from './range-map.js';

/** Binary searches in lists of disjoint ranges in ascending order. */

/** The index of the first range, at least `from`, that ends after `page`; the length of the list if there is none. */
export function firstEndingAfter(ranges: readonly Ranged[], page: number, from = 0): number {
  return firstWhere(ranges, from, ({ range }) => range.endPage > page);
}

/** The index of the first range, at least `from`, that starts at or after `page`; the length of the list if there is none. */
export function firstStartingAt(ranges: readonly Ranged[], page: number, from = 0): number {
  return firstWhere(ranges, from, ({ range }) => range.startPage >= page);
}

/** Whether exactly this range is in the list. */
export function hasRange(ranges: readonly Ranged[], range: MemoryRange): boolean {
  return ranges[firstEndingAfter(ranges, range.startPage)]?.range.equals(range) === true;
}

/** Those that share a page with `range`. */
export function overlappingOf<T extends Ranged>(
  ranges: readonly T[],
  { startPage, endPage }: MemoryRange,
): readonly T[] {
  const first = firstEndingAfter(ranges, startPage);
  return ranges.slice(first, firstStartingAt(ranges, endPage, first));
}

/** @param holds is false for all items up to some index, and true from there on */
function firstWhere<T>(items: readonly T[], from: number, holds: (item: T) => boolean): number {
  let [low, high] = [from, items.length];
  if (low < high && holds(items[low] as T)) {
    return low; // Usually it is the next one.
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle] as T)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
