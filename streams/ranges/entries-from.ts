import type { Ranged, RangeMap } from './range-map.js';

/** A part of a sorted map. */
export interface EntriesFrom<V> {
  /** In ascending order. */
  readonly entries: readonly V[];
  /** They are all that start before this page; `Infinity`: there are no more. */
  readonly end: number;
}

/** The entries that start at `page` or after it: about `most`, or fewer if there are no more. The map may change before the next part is read. */
export function entriesFrom<V extends Ranged>(map: RangeMap<V>, page: number, most: number): EntriesFrom<V> {
  const copied: V[] = [];
  const cursor = { page, at: 0 };
  map.copyTo(copied, cursor, most);
  // The entries of a leaf are copied as a whole: some may start before.
  const first = copied.findIndex(({ range }) => range.startPage >= page);
  return { entries: first <= 0 ? (first < 0 ? [] : copied) : copied.slice(first), end: cursor.page };
}
