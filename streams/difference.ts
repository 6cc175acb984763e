import { inOrder } from './ascending.js';
import type { MapChange } from './change-set.js';
import { leavingOf, type Departure } from './command-set.js';
import type { RegionEdits } from './region-edits.js';
import { mapChangeLike } from './map-change.js';
import { RangeMap } from './range-map.js';
import type { RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';

/** How the view after a transaction differs from the view before it. */
export interface Difference {
  /** Ascending. */
  readonly departures: readonly Departure[];
  /** The mappings that go with them, ascending. */
  readonly leaving: readonly MapChange[];
  /** The mappings that come, ascending. */
  readonly maps: readonly MapChange[];
  /** Regions whose `active` changes. */
  readonly toggled: readonly RegionState[];
}

/** What one region contributes to the difference. */
interface Contribution {
  readonly state: RegionState;
  /** Whether all that it had goes, because it is no longer active. */
  readonly whole: boolean;
  leaving: readonly MapChange[];
}

const READ_ONLY = { writable: false };
const NO_CHANGES: readonly MapChange[] = Object.freeze([]);
const NO_DEPARTURES: readonly Departure[] = Object.freeze([]);
const NO_REGIONS: readonly RegionState[] = Object.freeze([]);

/**
 * Computes what a transaction changes, at a cost of what it touches.
 *
 * A region counts when it was edited, or when an edit of another one covered or uncovered it. Where it is active before and
 * after, it contributes what was added and removed; else all that it had, or has.
 */
export function difference(table: RegionTable, edits: readonly RegionEdits[]): Difference {
  const [only] = edits;
  if (edits.length === 1 && only !== undefined && !changesVisibility(only)) {
    const simple = simpleDifference(only);
    if (simple !== undefined) {
      return simple;
    }
  }
  const contributions: Contribution[] = [];
  const entering: (readonly MapChange[])[] = [];
  if (!edits.some(changesVisibility)) {
    for (const edit of edits) {
      if (edit.state.active) {
        contributeEdits(edit, contributions, entering);
      }
    }
    return compare(contributions, joined(entering), NO_REGIONS);
  }
  const toggled: RegionState[] = [];
  const edited = edits.length === 1 ? undefined : new Map(edits.map((edit) => [edit.state, edit]));
  for (const state of affected(table, edits)) {
    const edit = edited === undefined ? (state === only?.state ? only : undefined) : edited.get(state);
    const before = state.active;
    const after = state.present && state.visible !== undefined && !table.isCovered(state);
    if (before !== after) {
      toggled.push(state);
    }
    const writableBefore = edit === undefined ? state.visible?.writable : edit.visibleBefore?.writable;
    const writableAfter = state.visible?.writable;
    if (before && after && writableBefore === writableAfter) {
      if (edit !== undefined) {
        contributeEdits(edit, contributions, entering);
      }
      continue;
    }
    if (before) {
      contributions.push({ state, whole: !after, leaving: seen(mappingsBefore(state, edit), writableBefore) });
    }
    if (after) {
      entering.push(seen(state.mappings.toArray(), writableAfter));
    }
  }
  return compare(contributions, joined(entering), toggled);
}

/** Of mappings that were added to one region, or removed from it, and not both. */
function simpleDifference({ state, added, removed }: RegionEdits): Difference | undefined {
  if (!state.active) {
    return { departures: NO_DEPARTURES, leaving: NO_CHANGES, maps: NO_CHANGES, toggled: NO_REGIONS };
  }
  const writable = state.visible?.writable;
  if (removed.length === 0) {
    const maps = inOrder(seen(added, writable));
    return { departures: NO_DEPARTURES, leaving: NO_CHANGES, maps, toggled: NO_REGIONS };
  }
  if (added.length === 0) {
    const leaving = inOrder(seen(removed, writable));
    return { departures: [{ whole: undefined, leaving }], leaving, maps: NO_CHANGES, toggled: NO_REGIONS };
  }
  return undefined;
}

/** All of them in one list: the only one itself, where there is one. */
function joined(lists: readonly (readonly MapChange[])[]): readonly MapChange[] {
  const [only] = lists;
  return lists.length === 1 && only !== undefined ? only : lists.flat();
}

function changesVisibility(edit: RegionEdits): boolean {
  return edit.presentBefore !== edit.state.present || edit.visibleBefore !== edit.state.visible;
}

/** Of a region that is active as before: what was added and removed. */
function contributeEdits(edit: RegionEdits, contributions: Contribution[], entering: (readonly MapChange[])[]): void {
  const { added, removed } = net(edit);
  const writable = edit.state.visible?.writable;
  if (removed.length > 0) {
    contributions.push({ state: edit.state, whole: false, leaving: seen(removed, writable) });
  }
  if (added.length > 0) {
    entering.push(seen(added, writable));
  }
}

/** The edited regions, and those that share addresses with one: each once. */
function affected(table: RegionTable, edits: readonly RegionEdits[]): Iterable<RegionState> {
  const [only] = edits;
  if (edits.length === 1 && only !== undefined) {
    const { state } = only;
    const found = table.overlapping(state.range);
    return state.present ? found : [state, ...found];
  }
  const states = new Set<RegionState>();
  for (const edit of edits) {
    states.add(edit.state);
    if (changesVisibility(edit)) {
      for (const other of table.overlapping(edit.state.range)) {
        states.add(other);
      }
    }
  }
  return states;
}

/** What was added and not removed again, and what was removed and had been there. */
function net(edit: RegionEdits): { readonly added: readonly MapChange[]; readonly removed: readonly MapChange[] } {
  if (edit.added.length === 0 || edit.removed.length === 0) {
    return edit;
  }
  const added = new Set(edit.added);
  const removed = new Set(edit.removed);
  return {
    added: edit.added.filter((mapping) => !removed.has(mapping)),
    removed: edit.removed.filter((mapping) => !added.has(mapping)),
  };
}

/** The mappings of a region as they were before the transaction. */
export function mappingsBefore(state: RegionState, edit: RegionEdits | undefined): MapChange[] {
  const now = state.mappings.toArray();
  if (edit === undefined || (edit.added.length === 0 && edit.removed.length === 0)) {
    return now;
  }
  const { added, removed } = net(edit);
  const fresh = new Set(added);
  return [...now.filter((mapping) => !fresh.has(mapping)), ...removed];
}

/** The mappings as targets see them: writable only when their region is. The same list where that makes no difference. */
export function seen(mappings: readonly MapChange[], regionWritable: boolean | undefined): readonly MapChange[] {
  return regionWritable === true
    ? mappings
    : mappings.map((mapping) => (mapping.writable ? mapChangeLike(mapping, READ_ONLY) : mapping));
}

/** Takes out what leaves and enters as the same, and shapes what is left. */
function compare(
  contributions: readonly Contribution[],
  entering: readonly MapChange[],
  toggled: readonly RegionState[],
): Difference {
  const maps = inOrder(entering);
  let kept: RangeMap<MapChange> | undefined;
  for (const contribution of contributions) {
    const leaving = inOrder(contribution.leaving);
    contribution.leaving = leaving;
    const same = maps.length === 0 ? undefined : sameIn(leaving, maps);
    if (same !== undefined) {
      contribution.leaving = leaving.filter((mapping) => same.startingAt(mapping.range.startPage) === undefined);
      kept ??= new RangeMap<MapChange>();
      for (const mapping of same) {
        kept.insert(mapping);
      }
    }
  }
  if (kept === undefined) {
    return shape(contributions, maps, toggled, undefined);
  }
  const stays = kept;
  const changed = maps.filter((mapping) => stays.startingAt(mapping.range.startPage) === undefined);
  return shape(contributions, changed, toggled, stays);
}

/** The mappings that are the same in two lists, both ascending and of mappings that do not overlap. */
function sameIn(leaving: readonly MapChange[], entering: readonly MapChange[]): RangeMap<MapChange> | undefined {
  let same: RangeMap<MapChange> | undefined;
  let next = 0;
  for (const old of leaving) {
    const { startPage } = old.range;
    while (next < entering.length && (entering[next] as MapChange).range.startPage < startPage) {
      next += 1;
    }
    const now = entering[next];
    if (now === undefined) {
      break;
    }
    if (now.range.startPage === startPage && sameMapping(old, now)) {
      same ??= new RangeMap<MapChange>();
      same.insert(now);
    }
  }
  return same;
}

function shape(
  contributions: readonly Contribution[],
  maps: readonly MapChange[],
  toggled: readonly RegionState[],
  kept: RangeMap<MapChange> | undefined,
): Difference {
  const departing = contributions.filter(({ leaving }) => leaving.length > 0);
  if (departing.length > 1) {
    // Regions that are active at the same time share no address.
    departing.sort((one, other) => one.state.range.startPage - other.state.range.startPage);
  }
  const departures = departing.map(({ state, whole, leaving }): Departure => ({
    whole: whole && kept?.overlaps(state.range) !== true ? state : undefined,
    leaving,
  }));
  return { departures, leaving: leavingOf(departures), maps, toggled };
}

/**
 * Whether a target would see no difference: same range, same mappable object, same file offset, same `writable`, same type. The
 * name of the region does not count.
 */
export function sameMapping(a: MapChange, b: MapChange): boolean {
  return a.writable === b.writable && a.type === b.type && sameMemory(a, b);
}

/** Whether both are the same bytes at the same addresses. */
export function sameMemory(a: MapChange, b: MapChange): boolean {
  if (!a.range.equals(b.range)) {
    return false;
  }
  if (a.backing === 'private' || b.backing === 'private') {
    return a.backing === b.backing;
  }
  return a.backing.mappable === b.backing.mappable && a.backing.fileOffset === b.backing.fileOffset;
}
