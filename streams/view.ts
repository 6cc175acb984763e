import type { MapChange, MemoryMapSnapshot, ShareableRegion, UnmapChange } from './change-set.js';
import type { RegionEdits } from './draft.js';
import type { MemoryRange } from './memory-range.js';
import { RangeMap } from './range-map.js';
import type { RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';

/** How the view after a transaction differs from the view before it. */
export interface Difference {
  /** Ascending. */
  readonly unmaps: readonly UnmapChange[];
  /** The mappings that the unmaps end, ascending. */
  readonly leaving: readonly MapChange[];
  /** The mappings that come, ascending. */
  readonly maps: readonly MapChange[];
  /** Mappings that stay, but under the name of another region. */
  readonly renamed: readonly MapChange[];
  /** Regions whose `active` changes. */
  readonly toggled: readonly RegionState[];
}

/** What the guest sees: the mappings of the active regions, as of the last command that took effect. */
export class View {
  #generation = 0;
  #mappings = new RangeMap<MapChange>();

  /** Counts the commands that changed it. */
  get generation(): number {
    return this.#generation;
  }

  /** The mapping that starts at this page. */
  startingAt(startPage: number): MapChange | undefined {
    return this.#mappings.startingAt(startPage);
  }

  firstOverlap(range: MemoryRange): MapChange | undefined {
    return this.#mappings.firstOverlap(range);
  }

  /** All of it, ascending. */
  all(): MapChange[] {
    return [...this.#mappings.values()];
  }

  /** Makes the difference what is. Only one that changes a mapping counts. */
  apply(difference: Difference): void {
    for (const mapping of difference.leaving) {
      this.#mappings.remove(mapping.range);
    }
    for (const mapping of difference.maps) {
      this.#mappings.replace(mapping);
    }
    for (const mapping of difference.renamed) {
      this.#mappings.replace(mapping);
    }
    for (const region of difference.toggled) {
      region.active = !region.active;
    }
    if (difference.unmaps.length > 0 || difference.maps.length > 0) {
      this.#generation += 1;
    }
  }

  /** Nothing is seen any longer. */
  clear(): void {
    this.#mappings = new RangeMap();
  }

  /** Stays true to its generation. Costs nothing until its mappings are read. */
  snapshot(): MemoryMapSnapshot {
    return new Snapshot(this.#generation, this.#mappings.clone());
  }

  shareable(): ShareableRegion[] {
    const shareable: ShareableRegion[] = [];
    for (const { type, backing, range, writable } of this.#mappings.values()) {
      if (type === 'ram' && backing !== 'private') {
        shareable.push({ range, writable, mappable: backing.mappable, fileOffset: backing.fileOffset });
      }
    }
    return shareable;
  }
}

class Snapshot implements MemoryMapSnapshot {
  readonly generation: number;
  #source: RangeMap<MapChange> | undefined;
  #mappings: readonly MapChange[] | undefined;

  constructor(generation: number, source: RangeMap<MapChange>) {
    this.generation = generation;
    this.#source = source;
    // Enumerable and its own, so that a snapshot prints, compares and copies as the plain record that it stands for.
    Object.defineProperty(this, 'mappings', { get: () => this.#read(), enumerable: true });
  }

  declare readonly mappings: readonly MapChange[];

  #read(): readonly MapChange[] {
    this.#mappings ??= [...(this.#source ?? [])];
    this.#source = undefined;
    return this.#mappings;
  }
}

/** What one region contributes to the difference. */
interface Contribution {
  readonly state: RegionState;
  /** Whether all that it had goes, because it is no longer active. */
  readonly whole: boolean;
  leaving: MapChange[];
}

/**
 * Computes what a transaction changes, at a cost of what it touches.
 *
 * A region counts when it was edited, or when an edit of another one covered or uncovered it. Where it is active before and
 * after, it contributes what was added and removed; else all that it had, or has.
 */
export function difference(table: RegionTable, edits: Iterable<RegionEdits>): Difference {
  const edited = new Map<RegionState, RegionEdits>();
  const contributions: Contribution[] = [];
  const entering: MapChange[] = [];
  const toggled: RegionState[] = [];
  let visibilityChanged = false;
  for (const edit of edits) {
    edited.set(edit.state, edit);
    visibilityChanged ||= edit.presentBefore !== edit.state.present || edit.visibleBefore !== edit.state.visible;
  }
  for (const state of visibilityChanged ? affected(table, edited) : edited.keys()) {
    const edit = edited.get(state);
    const before = state.active;
    const after = visibilityChanged
      ? state.present && state.visible !== undefined && !table.isCovered(state)
      : state.active;
    if (before !== after) {
      toggled.push(state);
    }
    const writableBefore = edit === undefined ? state.visible?.writable : edit.visibleBefore?.writable;
    const writableAfter = state.visible?.writable;
    if (before && after && writableBefore === writableAfter) {
      if (edit !== undefined) {
        const { added, removed } = net(edit);
        contributions.push({ state, whole: false, leaving: seen(removed, writableBefore) });
        pushAll(entering, seen(added, writableAfter));
      }
      continue;
    }
    if (before) {
      contributions.push({ state, whole: !after, leaving: seen(mappingsBefore(state, edit), writableBefore) });
    }
    if (after) {
      pushAll(entering, seen([...state.mappings], writableAfter));
    }
  }
  return compare(contributions, entering, toggled);
}

/** The edited regions, and those that share addresses with one: each once. */
function affected(table: RegionTable, edited: ReadonlyMap<RegionState, RegionEdits>): Iterable<RegionState> {
  const states = new Set<RegionState>();
  for (const [state, edit] of edited) {
    states.add(state);
    if (edit.presentBefore !== state.present || edit.visibleBefore !== state.visible) {
      for (const other of table.overlapping(state.range)) {
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
function mappingsBefore(state: RegionState, edit: RegionEdits | undefined): readonly MapChange[] {
  const now = [...state.mappings];
  if (edit === undefined || (edit.added.length === 0 && edit.removed.length === 0)) {
    return now;
  }
  const { added, removed } = net(edit);
  const fresh = new Set(added);
  return [...now.filter((mapping) => !fresh.has(mapping)), ...removed];
}

/** The mappings as targets see them: writable only when their region is. */
function seen(mappings: readonly MapChange[], regionWritable: boolean | undefined): MapChange[] {
  return regionWritable === true
    ? [...mappings]
    : mappings.map((mapping) => (mapping.writable ? { ...mapping, writable: false } : mapping));
}

/** Takes out what leaves and enters as the same, and shapes what is left. */
function compare(
  contributions: readonly Contribution[],
  entering: MapChange[],
  toggled: readonly RegionState[],
): Difference {
  const renamed: MapChange[] = [];
  let maps = entering;
  if (entering.length > 0 && contributions.some((contribution) => contribution.leaving.length > 0)) {
    const byStart = new Map(entering.map((mapping) => [mapping.range.startPage, mapping]));
    const kept = new RangeMap<MapChange>();
    for (const contribution of contributions) {
      contribution.leaving = contribution.leaving.filter((old) => {
        const now = byStart.get(old.range.startPage);
        if (now === undefined || !sameMapping(old, now)) {
          return true;
        }
        kept.insert(now);
        if (now.region !== old.region) {
          renamed.push(now);
        }
        return false;
      });
    }
    maps = entering.filter((mapping) => kept.startingAt(mapping.range.startPage) === undefined);
    return shape(contributions, maps, renamed, toggled, kept);
  }
  return shape(contributions, maps, renamed, toggled, undefined);
}

function shape(
  contributions: readonly Contribution[],
  maps: MapChange[],
  renamed: readonly MapChange[],
  toggled: readonly RegionState[],
  kept: RangeMap<MapChange> | undefined,
): Difference {
  const unmaps: UnmapChange[] = [];
  const leaving: MapChange[] = [];
  for (const { state, whole, leaving: own } of contributions) {
    if (own.length === 0) {
      continue;
    }
    pushAll(leaving, own);
    if (whole && kept?.overlaps(state.range) !== true) {
      unmaps.push({
        range: state.range,
        region: state.name,
        type: state.type,
        covers: ascending(own).map((mapping) => mapping.range),
      });
      continue;
    }
    for (const { range } of own) {
      unmaps.push({ range, region: state.name, type: state.type, covers: [range] });
    }
  }
  return { unmaps: ascending(unmaps), leaving: ascending(leaving), maps: ascending(maps), renamed, toggled };
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

/** Sorted by address, in place. Most are sorted already. */
function ascending<T extends { readonly range: MemoryRange }>(changes: T[]): T[] {
  for (let index = 1; index < changes.length; index++) {
    const [previous, next] = [changes[index - 1], changes[index]];
    if (previous !== undefined && next !== undefined && next.range.startPage < previous.range.startPage) {
      return changes.sort((a, b) => a.range.startPage - b.range.startPage);
    }
  }
  return changes;
}

/** `push(...items)` would put every item on the stack. */
function pushAll<T>(list: T[], items: readonly T[]): void {
  for (const item of items) {
    list.push(item);
  }
}
