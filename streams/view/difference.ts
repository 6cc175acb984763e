import { EMPTY_LIST } from '../util/lists.js';
import { sortedByAddress } from '../ranges/sort-by-address.js';
import type { MapChange, UnmapChange } from '../contracts/change-set.js';
import { NO_REMOVALS, unmapOf, type Removals } from '../changes/managed-set.js';
import { pauseIfOver } from '../util/time-slice.js';
import { sameMapping } from '../changes/mapping.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import type { RegionEdits } from '../regions/region-edits.js';
import type { RegionState } from '../regions/region-state.js';
import type { RegionTable } from '../regions/region-table.js';
import {
  eachInSlices,
  entriesInSlices,
  filterInSlices,
  joinInSlices,
  mapInSlices,
  sortedInSlices,
} from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { netEdits, mappingsBefore } from './edited-mappings.js';
import { withRegionAccess, withRegionAccessInSlices } from './region-access.js';

/** The difference between the view before and after a transaction. */
export interface Difference extends Removals {
  /** The mappings that become active, in ascending order. */
  readonly maps: readonly MapChange[];
  /** Regions whose `active` changes. */
  readonly toggled: readonly RegionState[];
}

/** The edits of a transaction. */
export interface Edits {
  readonly edits: readonly RegionEdits[];
  editOf(state: RegionState): RegionEdits | undefined;
}

/** The removed mappings of one region. */
interface Contribution {
  readonly state: RegionState;
  /** Range of the region. */
  readonly range: MemoryRange;
  /** Whether all of its mappings are removed, because it is no longer active. */
  readonly allRemoved: boolean;
  removed: readonly MapChange[];
}

/** Limit of edits for which the difference is computed without a pause. */
const EDITS_AT_ONCE_MAX = 4096;

/**
 * Computes the changes of a transaction. The cost depends on the number of affected mappings, not on the size of the view. Regions must not be
 * edited before it is finished.
 *
 * Affected regions are those that were edited, and those that an edit of another region covered or uncovered. If a region was active before
 * and is active after the transaction with the same access, its added and removed mappings change; otherwise all of its mappings.
 */
export function* difference(table: RegionTable, draft: Edits): Coroutine<Difference> {
  const { edits } = draft;
  const contributions: Contribution[] = [];
  const addedLists: (readonly MapChange[])[] = [];
  const visible = yield* filterInSlices(edits, changesVisibility);
  if (visible.length === 0) {
    for (const edit of edits) {
      if (edit.state.active) {
        yield* contributeEdits(edit, contributions, addedLists);
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
    return yield* withoutUnchanged(contributions, yield* joinInSlices(addedLists), EMPTY_LIST);
  }
  const toggled: RegionState[] = [];
  for (const state of yield* affected(table, draft)) {
    const edit = draft.editOf(state);
    const before = state.active;
    const after = state.present && state.visible !== undefined && !table.isCovered(state);
    if (before !== after) {
      toggled.push(state);
    }
    const writableBefore = edit === undefined ? state.visible?.writable : edit.visibleBefore?.writable;
    const writableAfter = state.visible?.writable;
    if (before && after && writableBefore === writableAfter) {
      if (edit !== undefined) {
        yield* contributeEdits(edit, contributions, addedLists);
      }
    } else {
      if (before) {
        const mappings = yield* withRegionAccessInSlices(yield* mappingsBefore(state, edit), writableBefore);
        contributions.push({ state, range: state.range, allRemoved: !after, removed: mappings });
      }
      if (after) {
        addedLists.push(yield* withRegionAccessInSlices(yield* entriesInSlices(state.mappings), writableAfter));
      }
    }
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
  return yield* withoutUnchanged(contributions, yield* joinInSlices(addedLists), toggled);
}

/**
 * The same without a coroutine, for the most common transactions: mappings were either added to or removed from a single region, and not too many.
 * Returns `undefined` for other transactions.
 */
export function simpleDifference(edits: readonly RegionEdits[]): Difference | undefined {
  const [only] = edits;
  if (only === undefined || edits.length > 1 || changesVisibility(only)) {
    return undefined;
  }
  const { state, added, removed } = only;
  if (!state.active) {
    return { ...NO_REMOVALS, maps: EMPTY_LIST, toggled: EMPTY_LIST };
  }
  const writable = state.visible?.writable;
  if (removed.length === 0 && added.length <= EDITS_AT_ONCE_MAX) {
    const maps = sortedByAddress(withRegionAccess(added, writable));
    return { ...NO_REMOVALS, maps, toggled: EMPTY_LIST };
  }
  if (added.length === 0 && removed.length <= EDITS_AT_ONCE_MAX) {
    const mappings = sortedByAddress(withRegionAccess(removed, writable));
    return { unmaps: mappings.map(unmapOf), removed: mappings, maps: EMPTY_LIST, toggled: EMPTY_LIST };
  }
  return undefined;
}

function changesVisibility(edit: RegionEdits): boolean {
  return edit.presentBefore !== edit.state.present || edit.visibleBefore !== edit.state.visible;
}

/** Adds the edited mappings of a region that was and is active with the same access. */
function* contributeEdits(
  edit: RegionEdits,
  contributions: Contribution[],
  addedLists: (readonly MapChange[])[],
): Coroutine<void> {
  if (edit.isEmpty) {
    return;
  }
  const { state } = edit;
  const { added, removed } = yield* netEdits(edit);
  const writable = state.visible?.writable;
  if (removed.length > 0) {
    const mappings = yield* withRegionAccessInSlices(removed, writable);
    contributions.push({ state, range: state.range, allRemoved: false, removed: mappings });
  }
  if (added.length > 0) {
    addedLists.push(yield* withRegionAccessInSlices(added, writable));
  }
}

/** The edited regions, and the regions that share addresses with them if their visibility changed. Each region occurs once. */
function affected(table: RegionTable, draft: Edits): Coroutine<readonly RegionState[]> {
  const { edits } = draft;
  const [only] = edits;
  return edits.length === 1 && only?.state.present === true
    ? table.overlappingInSlices(only.state.range)
    : affectedByMany(table, draft);
}

function* affectedByMany(table: RegionTable, draft: Edits): Coroutine<readonly RegionState[]> {
  const states: RegionState[] = [];
  const others = new Set<RegionState>();
  for (const edit of draft.edits) {
    states.push(edit.state);
    const found = changesVisibility(edit) ? yield* table.overlappingInSlices(edit.state.range) : [];
    yield* eachInSlices(found, (other) => {
      if (draft.editOf(other) === undefined && !others.has(other)) {
        others.add(other);
        states.push(other);
      }
    });
  }
  return states;
}

/** Makes the difference, without the mappings that are removed and added again unchanged. */
function* withoutUnchanged(
  contributions: readonly Contribution[],
  added: readonly MapChange[],
  toggled: readonly RegionState[],
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
    return yield* differenceOf(contributions, maps, toggled, undefined);
  }
  const stays = kept;
  const changed = yield* filterInSlices(maps, (mapping) => !startsIn(stays, mapping));
  return yield* differenceOf(contributions, changed, toggled, stays);
}

function startsIn(kept: RangeMap<MapChange>, { range }: MapChange): boolean {
  return kept.startingAt(range.startPage) !== undefined;
}

/** The mappings that are the same in both lists. Both are in ascending order, and the mappings of each do not overlap. */
function sameIn(removed: readonly MapChange[], added: readonly MapChange[]): Coroutine<readonly MapChange[]> {
  let next = 0;
  return filterInSlices(removed, (old) => {
    const { startPage } = old.range;
    next = firstFrom(added, startPage, next);
    const now = added[next];
    if (now?.range.startPage !== startPage) {
      return false;
    }
    next += 1;
    return sameMapping(old, now);
  });
}

/** The index, at least `from`, of the first mapping in an ascending list that does not start before `page`. */
function firstFrom(added: readonly MapChange[], page: number, from: number): number {
  let [low, high] = [from, added.length];
  if (low < high && (added[low] as MapChange).range.startPage >= page) {
    return low; // Usually it is the next one.
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((added[middle] as MapChange).range.startPage < page) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function* differenceOf(
  contributions: readonly Contribution[],
  maps: readonly MapChange[],
  toggled: readonly RegionState[],
  kept: RangeMap<MapChange> | undefined,
): Coroutine<Difference> {
  // Regions that are active at the same time do not overlap.
  const unmapping = yield* sortedInSlices(yield* filterInSlices(contributions, ({ removed }) => removed.length > 0));
  const unmaps: (readonly UnmapChange[])[] = [];
  for (const { state, allRemoved, removed } of unmapping) {
    if (allRemoved && kept?.overlaps(state.range) !== true) {
      const { range, name: region, type } = state;
      unmaps.push([{ range, region, type, covers: yield* mapInSlices(removed, rangeOf) }]);
    } else {
      unmaps.push(yield* mapInSlices(removed, unmapOf));
    }
  }
  const removed = yield* joinInSlices(yield* mapInSlices(unmapping, (contribution) => contribution.removed));
  return { unmaps: yield* joinInSlices(unmaps), removed, maps, toggled };
}

function rangeOf({ range }: MapChange): MemoryRange {
  return range;
}
