import { mapChangeLike } from './map-change.js';
import { ascending } from './ascending.js';
import type { MapChange, MemoryMapSnapshot, ShareableRegion } from './change-set.js';
import { copiesOf } from './copies.js';
import { mappingsBefore, seen, type Difference } from './difference.js';
import type { RegionEdits } from './region-edits.js';
import { Turn } from './event-loop.js';
import type { MemoryRange } from './memory-range.js';
import { RangeMap, type CopyCursor } from './range-map.js';
import type { RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';
import type { Steps } from './steps.js';

/** Mappings that are copied between two looks at the clock, at least. */
const TOGETHER = 512;

/** From so many mappings on a list is made in its full length. */
const LONG = 1 << 16;

/** A version of the view, and what led to the next one: unknown as long as there is none. */
interface Version {
  change: Difference | undefined;
  next: Version | undefined;
}

/**
 * What the guest sees: the mappings of the active regions, as of the last command that took effect.
 *
 * It keeps no mappings of its own: it reads them off the regions, and looks past the edits of a transaction that is under way. Older
 * versions are found by going back over the changes since; those are remembered only as long as somebody has a snapshot that old.
 */
export class View {
  #generation = 0;
  /**
   * The latest version, as long as a snapshot leads to it. Held weakly: where nobody has a snapshot nothing is remembered, and a list of
   * changes that the collector has to follow, because its dead beginning has grown old, does not come about.
   */
  #latest: WeakRef<Version> | undefined = undefined;
  readonly #table: RegionTable;
  /** The edits that have been done to regions and have not taken effect. */
  #pending: readonly RegionEdits[] = [];
  readonly #befores = new WeakMap<RegionEdits, Before>();

  constructor(table: RegionTable) {
    this.#table = table;
  }

  /** Counts the commands that changed it. */
  get generation(): number {
    return this.#generation;
  }

  /** A transaction begins: its edits, as they come, do not show until they are applied. */
  begin(edits: readonly RegionEdits[]): void {
    this.#pending = edits;
  }

  /** A transaction ends without effect: its edits have been taken back. */
  abandon(): void {
    this.#pending = [];
  }

  /** A transaction takes effect. Only one that changes a mapping counts. */
  apply(change: Difference): void {
    this.#pending = [];
    for (const region of change.toggled) {
      region.active = !region.active;
    }
    if (change.departures.length > 0 || change.maps.length > 0) {
      this.#generation += 1;
      this.#append(change);
    }
  }

  #append(change: Difference): void {
    const latest = this.#latest?.deref();
    if (latest === undefined) {
      this.#latest = undefined;
      return;
    }
    const next: Version = { change: undefined, next: undefined };
    latest.change = change;
    latest.next = next;
    this.#latest = new WeakRef(next);
  }

  /** Nothing is seen any longer; older snapshots stay as they are. */
  end(): void {
    const leaving = this.all();
    for (const region of this.#table.all()) {
      region.active = false;
    }
    this.#append({ departures: [], leaving, maps: [], toggled: [] });
  }

  /** The active mapping at exactly this range. */
  at(range: MemoryRange): MapChange | undefined {
    const mapping = this.firstOverlap(range);
    return mapping?.range.equals(range) === true ? mapping : undefined;
  }

  /** The first active mapping that shares a page with `range`. */
  firstOverlap(range: MemoryRange): MapChange | undefined {
    for (const state of ascending(this.#activeAmong(this.#table.overlapping(range)))) {
      const edit = this.#editOf(state);
      const mapping =
        edit === undefined ? state.mappings.firstOverlap(range) : this.#before(edit).firstOverlap(state, range);
      if (mapping !== undefined) {
        return seen([mapping], writableOf(state, edit))[0];
      }
    }
    return undefined;
  }

  /** All active mappings, ascending. */
  all(): MapChange[] {
    const mappings: MapChange[] = [];
    const cursor = { page: 0, at: 0 };
    for (const state of this.#activeRegions()) {
      for (cursor.page = 0; cursor.page < Infinity;) {
        this.#copyTo(mappings, state, cursor, Infinity);
      }
    }
    return mappings;
  }

  /** The same, letting the event loop go on now and then. Nothing is to change meanwhile. */
  *allInTurns(): Steps<MapChange[]> {
    const regions = this.#activeRegions();
    const count = regions.reduce((sum, { mappings }) => sum + mappings.size, 0);
    // A long list that grows is copied again and again, each time as a whole.
    const all = count < LONG ? [] : new Array<MapChange>(count);
    const cursor = { page: 0, at: 0 };
    const turn = new Turn();
    for (const state of regions) {
      for (cursor.page = 0; cursor.page < Infinity;) {
        this.#copyTo(all, state, cursor, TOGETHER);
        const pause = turn.pause();
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
    all.length = cursor.at;
    return all;
  }

  #activeRegions(): readonly RegionState[] {
    return ascending(this.#activeAmong(this.#table.all()));
  }

  /** Copies what a region shows, as `RangeMap.copyTo` does. */
  #copyTo(mappings: MapChange[], state: RegionState, cursor: CopyCursor, count: number): void {
    const edit = this.#editOf(state);
    const first = cursor.at;
    if (edit === undefined) {
      state.mappings.copyTo(mappings, cursor, count);
    } else {
      for (const mapping of ascending(mappingsBefore(state, edit))) {
        mappings[cursor.at++] = mapping;
      }
      cursor.page = Infinity;
    }
    if (!writableOf(state, edit)) {
      for (let at = first; at < cursor.at; at++) {
        const mapping = mappings[at] as MapChange;
        mappings[at] = mapping.writable ? mapChangeLike(mapping, { writable: false }) : mapping;
      }
    }
  }

  /** Stays true to its generation. Costs nothing until its mappings are read. */
  snapshot(): MemoryMapSnapshot {
    let version: Version | undefined = this.#latest?.deref() ?? { change: undefined, next: undefined };
    this.#latest = new WeakRef(version);
    let mappings: readonly MapChange[] | undefined;
    const read = (): readonly MapChange[] => {
      mappings ??= copiesOf(rewind(this.all(), version));
      version = undefined;
      return mappings;
    };
    // A plain record with a getter: it prints, compares and copies as what it stands for.
    return {
      generation: this.#generation,
      get mappings() {
        return read();
      },
    };
  }

  shareable(): ShareableRegion[] {
    const shareable: ShareableRegion[] = [];
    for (const { type, backing, range, writable } of this.all()) {
      if (type === 'ram' && backing !== 'private') {
        shareable.push({ range, writable, mappable: backing.mappable, fileOffset: backing.fileOffset });
      }
    }
    return shareable;
  }

  /** An index of what an edited region had, made when it is asked for, and again when edits have been added. */
  #before(edit: RegionEdits): Before {
    let before = this.#befores.get(edit);
    if (before?.isOf(edit) !== true) {
      before = new Before(edit);
      this.#befores.set(edit, before);
    }
    return before;
  }

  #editOf(state: RegionState): RegionEdits | undefined {
    return this.#pending.find((edit) => edit.state === state);
  }

  /** Those that are active, and the active ones that the pending edits have already taken from the table. */
  #activeAmong(states: readonly RegionState[]): RegionState[] {
    const removed = this.#pending.filter((edit) => edit.presentBefore && !edit.state.present).map((edit) => edit.state);
    return [...states, ...removed].filter((state) => state.active);
  }
}

/** What a region had before the edits of a transaction. */
class Before {
  readonly #edits: number;
  readonly #added: ReadonlySet<MapChange>;
  readonly #removed = new RangeMap<MapChange>();

  constructor(edit: RegionEdits) {
    this.#edits = edit.added.length + edit.removed.length;
    this.#added = new Set(edit.added);
    for (const mapping of edit.removed) {
      if (!this.#added.has(mapping)) {
        this.#removed.insert(mapping);
      }
    }
  }

  isOf(edit: RegionEdits): boolean {
    return this.#edits === edit.added.length + edit.removed.length;
  }

  firstOverlap(state: RegionState, range: MemoryRange): MapChange | undefined {
    const removed = this.#removed.firstOverlap(range);
    const kept = state.mappings.overlapping(range).find((mapping) => !this.#added.has(mapping));
    return removed === undefined || (kept !== undefined && kept.range.startPage < removed.range.startPage)
      ? kept
      : removed;
  }
}

/** The mappings as they were at a version, from those of now. */
function rewind(mappings: MapChange[], version: Version | undefined): MapChange[] {
  const since: Difference[] = [];
  for (let older = version; older?.change !== undefined; older = older.next) {
    since.push(older.change);
  }
  if (since.length === 0) {
    return mappings;
  }
  const byStart = new Map(mappings.map((mapping) => [mapping.range.startPage, mapping]));
  for (const { maps, leaving } of since.toReversed()) {
    for (const mapping of maps) {
      byStart.delete(mapping.range.startPage);
    }
    for (const mapping of leaving) {
      byStart.set(mapping.range.startPage, mapping);
    }
  }
  return ascending([...byStart.values()]);
}

function writableOf(state: RegionState, edit: RegionEdits | undefined): boolean {
  return (edit === undefined ? state.visible : edit.visibleBefore)?.writable === true;
}
