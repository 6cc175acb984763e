import type { MapChange } from '../contracts/change-set.js';
import { type MemoryRange, PAGE_SIZE_NUMBER } from '../ranges/memory-range.js';
import { eachInSlices, entriesInSlices, filterInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import type { RegionMapping } from './region-state.js';
import type { RegionTable } from './region-table.js';

/** Number of pieces that a granule divides a mapping into while all of it shows. @param granule in pages */
export function pieceCount({ range: { startPage, endPage } }: MapChange, granule: number): number {
  return Math.ceil(endPage / granule) - Math.floor(startPage / granule);
}

/** A granule in bytes, for messages. @param granule in pages */
export function granuleText(granule: number): string {
  return `0x${(granule * PAGE_SIZE_NUMBER).toString(16)}`;
}

/** Whether removing `range` cuts the mapping not at all, or only at multiples of its granule. */
export function mayCut({ range: { startPage, endPage }, granule }: RegionMapping, range: MemoryRange): boolean {
  const isBorder = (page: number): boolean => granule !== undefined && page % granule === 0;
  return (
    (range.startPage <= startPage || isBorder(range.startPage)) && (range.endPage >= endPage || isBorder(range.endPage))
  );
}

/** The mappings of all regions that have a granule, in no order. Regions must not be edited before the coroutine ends. */
export function* granularMappings(table: RegionTable): Coroutine<readonly RegionMapping[]> {
  const found: RegionMapping[] = [];
  for (const { mappings } of yield* filterInSlices(yield* table.all(), ({ hasGranules }) => hasGranules)) {
    yield* eachInSlices(yield* entriesInSlices(mappings), (mapping) => {
      if (mapping.granule !== undefined) {
        found.push(mapping);
      }
    });
  }
  return found;
}
