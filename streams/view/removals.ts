import type { MapChange, UnmapChange } from '../contracts/change-set.js';
import { sameMapping } from '../changes/mapping.js';
import { unmapOf, type Removals } from '../changes/managed-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap, type Ranged } from '../ranges/range-map.js';
import { eachInSlices, filterInSlices, joinInSlices, mapInSlices, sortedInSlices } from '../ranges/slices.js';
import { firstStartingAt } from '../ranges/sorted-list.js';
import type { RegionState, ShownChange } from '../regions/region-state.js';
import type { Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';

/** The difference between the view before and after a transaction. */
export interface Difference extends Removals {
  /** The pieces that become active, in ascending order. */
  readonly maps: readonly MapChange[];
  /** The regions of which other addresses show. */
  readonly shown: readonly ShownChange[];
}

/** The removed pieces of one region. */
export interface Contribution extends Ranged {
  readonly state: RegionState;
  /** Range of the region. */
  readonly range: MemoryRange;
  /** Whether all of its pieces are removed, because it is no longer active, and targets have nothing else inside its range. */
  readonly allRemoved: boolean;
  removed: readonly MapChange[];
}

/** Makes the difference, without the mappings that are removed and added again unchanged. */
export function* withoutUnchanged(
  contributions: readonly Contribution[],
  added: readonly MapChange[],
  shown: readonly ShownChange[],
): Coroutine<Difference> {
  const maps = yield* sortedInSlices(added);
  let kept: RangeMap<MapChange> | undefined;
  for (const contribution of contributions) {
    contribution.removed = yield* sortedInSlices(contribution.removed);
    const same = maps.length === 0 ? EMPTY_LIST : yield* sameIn(contribution.removed, maps);
    if (same.length > 0) {
      const stays = (kept ??= new RangeMap<MapChange>());
      yield* eachInSlices(same, (mapping) => {
        stays.insert(mapping);
      });
      contribution.removed = yield* filterInSlices(contribution.removed, (mapping) => !startsIn(stays, mapping));
    }
  }
  if (kept === undefined) {
    return yield* differenceOf(contributions, maps, shown, undefined);
  }
  const stays = kept;
  const changed = yield* filterInSlices(maps, (mapping) => !startsIn(stays, mapping));
  return yield* differenceOf(contributions, changed, shown, stays);
}

function startsIn(kept: RangeMap<MapChange>, { range }: MapChange): boolean {
  return kept.startingAt(range.startPage) !== undefined;
}

/** The mappings that are the same in both lists. Both are in ascending order, and the mappings of each do not overlap. */
function sameIn(removed: readonly MapChange[], added: readonly MapChange[]): Coroutine<readonly MapChange[]> {
  let next = 0;
  return filterInSlices(removed, (old) => {
    const { startPage } = old.range;
    next = firstStartingAt(added, startPage, next);
    const now = added[next];
    if (now?.range.startPage !== startPage) {
      return false;
    }
    next += 1;
    return sameMapping(old, now);
  });
}

function* differenceOf(
  contributions: readonly Contribution[],
  maps: readonly MapChange[],
  shown: readonly ShownChange[],
  kept: RangeMap<MapChange> | undefined,
): Coroutine<Difference> {
  const [only] = contributions;
  if (only === undefined) {
    return { unmaps: EMPTY_LIST, removed: EMPTY_LIST, maps, shown };
  }
  if (contributions.length === 1) {
    return { unmaps: yield* unmapsOf(only, kept), removed: only.removed, maps, shown };
  }
  const unmaps: (readonly UnmapChange[])[] = [];
  let end = 0;
  for (const contribution of yield* sortedInSlices(contributions)) {
    const isApart = contribution.range.startPage >= end;
    unmaps.push(yield* unmapsOf(contribution, kept, isApart));
    end = Math.max(end, contribution.range.endPage);
  }
  const removed = yield* joinInSlices(yield* mapInSlices(contributions, (contribution) => contribution.removed));
  // The pieces of regions that overlap lie between each other.
  return {
    unmaps: yield* sortedInSlices(yield* joinInSlices(unmaps)),
    removed: yield* sortedInSlices(removed),
    maps,
    shown,
  };
}

/** The unmaps of the removed mappings of a region: one over its whole range where nothing stays, else one for each. */
function* unmapsOf(
  { state, allRemoved, removed }: Contribution,
  kept: RangeMap<MapChange> | undefined,
  isApart = true,
): Coroutine<readonly UnmapChange[]> {
  if (removed.length === 0) {
    return EMPTY_LIST;
  }
  if (!allRemoved || !isApart || kept?.overlaps(state.range) === true) {
    return yield* mapInSlices(removed, unmapOf);
  }
  const { range, name: region, type } = state;
  return [{ range, region, type, covers: yield* mapInSlices(removed, rangeOf) }];
}

function rangeOf({ range }: MapChange): MemoryRange {
  return range;
}
