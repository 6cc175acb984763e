import { sortByAddress } from '../ranges/sort-by-address.js';
import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices, joinInSlices, sortedInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/** The mappings of several lists, in ascending order. Of mappings with the same start, only the last one. */
export function* uniqueInSlices(lists: readonly (readonly MapChange[])[]): Coroutine<readonly MapChange[]> {
  const byStart = new Map<number, MapChange>();
  yield* eachInSlices(yield* joinInSlices(lists), (mapping) => {
    byStart.set(mapping.range.startPage, mapping);
  });
  return yield* sortedInSlices([...byStart.values()]);
}

/** The same for a short list. */
export function uniqueByStart<T extends { readonly range: MemoryRange }>(mappings: readonly T[]): T[] {
  return sortByAddress([...new Map(mappings.map((mapping) => [mapping.range.startPage, mapping])).values()]);
}
