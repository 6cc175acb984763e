import type { MapChange } from '../contracts/change-set.js';
import { sortByAddress } from '../ranges/sort-by-address.js';
import type { Difference } from './difference.js';

/** A version of the view, and what led to the next one: unknown as long as there is none. */
export interface Version {
  change: Difference | undefined;
  next: Version | undefined;
}

/** The mappings as they were at a version, from those of now. */
export function rewind(mappings: readonly MapChange[], version: Version | undefined): readonly MapChange[] {
  const since: Difference[] = [];
  for (let older = version; older?.change !== undefined; older = older.next) {
    since.push(older.change);
  }
  if (since.length === 0) {
    return mappings;
  }
  const byStart = new Map(mappings.map((mapping) => [mapping.range.startPage, mapping]));
  for (const { maps, removed } of since.toReversed()) {
    for (const mapping of maps) {
      byStart.delete(mapping.range.startPage);
    }
    for (const mapping of removed) {
      byStart.set(mapping.range.startPage, mapping);
    }
  }
  return sortByAddress([...byStart.values()]);
}
