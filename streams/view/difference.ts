import { sortedByAddress } from '../ranges/sort-by-address.js';
import type { MapChange } from '../contracts/change-set.js';
import type { RegionUnmap, Removals } from '../changes/managed-set.js';
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
import { done } from '../util/sliced-work.js';
import { net, mappingsBefore } from './edited-mappings.js';
import { asTargetsSee, asTargetsSeeInSlices } from './region-access.js';

/** How the view after a transaction differs from the view before it. */
export interface Difference extends Removals {
  /** The mappings that come, ascending. */
  readonly maps: readonly MapChange[];
  /** Regions whose `active` changes. */
  readonly toggled: readonly RegionState[];
}

/** The edits of a transaction. */
export interface Edits {
  readonly edits: readonly RegionEdits[];
  editOf(state: RegionState): RegionEdits | undefined;
}

/** What one region contributes to the difference. */
interface Contribution {
  readonly state: RegionState;
  /** Of the region. */
  readonly range: MemoryRange;
  /** Whether all that it had goes, because it is no longer active. */
  readonly allRemoved: boolean;
  removed: readonly MapChange[];
}

/** Of so many edits at most the difference is computed at once. */
const EDITS_AT_ONCE_MAX = 4096;

const NO_CHANGES: readonly MapChange[] = Object.freeze([]);
const NO_UNMAPS: readonly RegionUnmap[] = Object.freeze([]);
const NO_REGIONS: readonly RegionState[] = Object.freeze([]);

/**
 * Computes what a transaction changes, at a cost of what it touches. Nothing is to be edited meanwhile.
 *
 * A region counts when it was edited, or when an edit of another one covered or uncovered it. Where it is active before and
 * after, it contributes what was added and removed; else all that it had, or has.
 */
export function* difference(table: RegionTable, draft: Edits): Coroutine<Difference> {
  const { edits } = draft;
  const contributions: Contribution[] = [];
  const entering: (readonly MapChange[])[] = [];
  const visible = yield* filterInSlices(edits, changesVisibility);
  if (visible.length === 0) {
    for (const edit of edits) {
      if (edit.state.active) {
        yield* contributeEdits(edit, contributions, entering);
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
    return yield* withoutUnchanged(contributions, yield* joinInSlices(entering), NO_REGIONS);
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
        yield* contributeEdits(edit, contributions, entering);
      }
    } else {
      if (before) {
        const gone = yield* asTargetsSeeInSlices(yield* mappingsBefore(state, edit), writableBefore);
        contributions.push({ state, range: state.range, allRemoved: !after, removed: gone });
      }
      if (after) {
        entering.push(yield* asTargetsSeeInSlices(yield* entriesInSlices(state.mappings), writableAfter));
      }
    }
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
  return yield* withoutUnchanged(contributions, yield* joinInSlices(entering), toggled);
}

/** The same at once, for the most common transactions: a few mappings were added to one region, or removed from it, and not both. */
export function simpleDifference(edits: readonly RegionEdits[]): Difference | undefined {
  const [only] = edits;
  if (only === undefined || edits.length > 1 || changesVisibility(only)) {
    return undefined;
  }
  const { state, added, removed } = only;
  if (!state.active) {
    return { regionUnmaps: NO_UNMAPS, removed: NO_CHANGES, maps: NO_CHANGES, toggled: NO_REGIONS };
  }
  const writable = state.visible?.writable;
  if (removed.length === 0 && added.length <= EDITS_AT_ONCE_MAX) {
    const maps = sortedByAddress(asTargetsSee(added, writable));
    return { regionUnmaps: NO_UNMAPS, removed: NO_CHANGES, maps, toggled: NO_REGIONS };
  }
  if (added.length === 0 && removed.length <= EDITS_AT_ONCE_MAX) {
    const mappings = sortedByAddress(asTargetsSee(removed, writable));
    return {
      regionUnmaps: [{ asOneCall: undefined, mappings }],
      removed: mappings,
      maps: NO_CHANGES,
      toggled: NO_REGIONS,
    };
  }
  return undefined;
}

function changesVisibility(edit: RegionEdits): boolean {
  return edit.presentBefore !== edit.state.present || edit.visibleBefore !== edit.state.visible;
}

/** Of a region that is active as before: what was added and removed. */
function* contributeEdits(
  edit: RegionEdits,
  contributions: Contribution[],
  entering: (readonly MapChange[])[],
): Coroutine<void> {
  if (edit.isEmpty) {
    return;
  }
  const { state } = edit;
  const { added, removed } = yield* net(edit);
  const writable = state.visible?.writable;
  if (removed.length > 0) {
    const gone = yield* asTargetsSeeInSlices(removed, writable);
    contributions.push({ state, range: state.range, allRemoved: false, removed: gone });
  }
  if (added.length > 0) {
    entering.push(yield* asTargetsSeeInSlices(added, writable));
  }
}

/** The edited regions, and those that share addresses with one: each once. */
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

/** Takes out what leaves and enters as the same, and shapes what is left. */
function* withoutUnchanged(
  contributions: readonly Contribution[],
  entering: readonly MapChange[],
  toggled: readonly RegionState[],
): Coroutine<Difference> {
  const maps = yield* sortedInSlices(entering);
  let kept: RangeMap<MapChange> | undefined;
  for (const contribution of contributions) {
    contribution.removed = yield* sortedInSlices(contribution.removed);
    const same = maps.length === 0 ? NO_CHANGES : yield* sameIn(contribution.removed, maps);
    if (same.length > 0) {
      const stays = (kept ??= new RangeMap<MapChange>());
      yield* eachInSlices(same, (mapping) => {
        stays.insert(mapping);
      });
      contribution.removed = yield* filterInSlices(contribution.removed, (mapping) => !startsIn(stays, mapping));
    }
  }
  if (kept === undefined) {
    return yield* toDifference(contributions, maps, toggled, undefined);
  }
  const stays = kept;
  const changed = yield* filterInSlices(maps, (mapping) => !startsIn(stays, mapping));
  return yield* toDifference(contributions, changed, toggled, stays);
}

function startsIn(kept: RangeMap<MapChange>, { range }: MapChange): boolean {
  return kept.startingAt(range.startPage) !== undefined;
}

/** The mappings that are the same in two lists, both ascending and of mappings that do not overlap. */
function sameIn(leaving: readonly MapChange[], entering: readonly MapChange[]): Coroutine<readonly MapChange[]> {
  let next = 0;
  return filterInSlices(leaving, (old) => {
    const { startPage } = old.range;
    next = firstFrom(entering, startPage, next);
    const now = entering[next];
    if (now?.range.startPage !== startPage) {
      return false;
    }
    next += 1;
    return sameMapping(old, now);
  });
}

/** Where in an ascending list, from number `from` on, the first one is that does not start before a page. */
function firstFrom(entering: readonly MapChange[], page: number, from: number): number {
  let [low, high] = [from, entering.length];
  if (low < high && (entering[low] as MapChange).range.startPage >= page) {
    return low; // Mostly the next one.
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entering[middle] as MapChange).range.startPage < page) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function toDifference(
  contributions: readonly Contribution[],
  maps: readonly MapChange[],
  toggled: readonly RegionState[],
  kept: RangeMap<MapChange> | undefined,
): Coroutine<Difference> {
  const [only] = contributions;
  if (contributions.length > 1) {
    return toDifferenceOfMany(contributions, maps, toggled, kept);
  }
  const removed = only?.removed ?? NO_CHANGES;
  const regionUnmaps = only === undefined || removed.length === 0 ? NO_UNMAPS : [regionUnmapOf(only, kept)];
  return done({ regionUnmaps, removed, maps, toggled }, 1);
}

function* toDifferenceOfMany(
  contributions: readonly Contribution[],
  maps: readonly MapChange[],
  toggled: readonly RegionState[],
  kept: RangeMap<MapChange> | undefined,
): Coroutine<Difference> {
  // Regions that are active at the same time share no address.
  const unmapping = yield* sortedInSlices(yield* filterInSlices(contributions, ({ removed }) => removed.length > 0));
  const regionUnmaps = yield* mapInSlices(unmapping, (contribution) => regionUnmapOf(contribution, kept));
  const removed = yield* joinInSlices(yield* mapInSlices(unmapping, (contribution) => contribution.removed));
  return { regionUnmaps, removed, maps, toggled };
}

function regionUnmapOf(
  { state, allRemoved, removed: mappings }: Contribution,
  kept: RangeMap<MapChange> | undefined,
): RegionUnmap {
  return { asOneCall: allRemoved && kept?.overlaps(state.range) !== true ? state : undefined, mappings };
}
