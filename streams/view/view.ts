import { sortByAddress } from '../ranges/sort-by-address.js';
import type { MapChange, MemoryMapSnapshot } from '../contracts/change-set.js';
import { copiesOf } from '../changes/copies.js';
import type { Difference } from './difference.js';
import { pauseIfOver } from '../util/time-slice.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { CopyCursor } from '../ranges/range-map.js';
import type { RegionEdits } from '../regions/region-edits.js';
import { PendingToggle, type RegionState } from '../regions/region-state.js';
import type { RegionTable } from '../regions/region-table.js';
import { eachInSlices, filterInSlices, PREALLOCATED_LENGTH_MIN, sortedInSlices } from '../ranges/slices.js';
import type { PendingEdits } from '../regions/pending-edits.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import { inSlices } from '../util/sliced-work.js';
import { BeforeEdits } from './before-edits.js';
import { mappingsBefore } from './edited-mappings.js';
import { readOnly } from './region-access.js';
import { type Version, rewind } from './versions.js';

/** Mappings that are copied between two looks at the clock, at least. Several are copied in the time of one step. */
const TOGETHER = 512;
const COPIED_EACH = 8;

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
  #pending: PendingEdits | undefined = undefined;
  readonly #befores = new WeakMap<RegionEdits, BeforeEdits>();

  constructor(table: RegionTable) {
    this.#table = table;
  }

  /** Counts the commands that changed it. */
  get generation(): number {
    return this.#generation;
  }

  /** A transaction begins: its edits, as they come, do not show until they are applied. */
  begin(edits: PendingEdits): void {
    this.#pending = edits;
  }

  /** A transaction ends without effect: its edits have been taken back. */
  abandon(): void {
    this.#pending = undefined;
  }

  /** A transaction takes effect. Only one that changes a mapping counts. Whoever looks meanwhile sees all of it, or nothing. */
  apply(change: Difference): Coroutine<void> | undefined {
    if (change.toggled.length > TOGETHER) {
      return this.#switch(change);
    }
    for (const region of change.toggled) {
      region.toggle();
    }
    this.#takeOn(change);
    return undefined;
  }

  *#switch(change: Difference): Coroutine<void> {
    const activity = yield* prepareToggle(change.toggled);
    activity.take();
    this.#takeOn(change);
  }

  #takeOn(change: Difference): void {
    this.#pending = undefined;
    if (change.regionUnmaps.length > 0 || change.maps.length > 0) {
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
  *end(): Coroutine<void> {
    const removed = this.#latest?.deref() === undefined ? [] : yield* this.all();
    const activity = yield* prepareToggle(yield* this.#activeRegions());
    activity.take();
    this.#append({ regionUnmaps: [], removed, maps: [], toggled: [] });
  }

  /** The active mapping at exactly this range. */
  at(range: MemoryRange): MapChange | undefined {
    const mapping = this.firstOverlap(range);
    return mapping?.range.equals(range) === true ? mapping : undefined;
  }

  /** The first active mapping that shares a page with `range`. */
  firstOverlap(range: MemoryRange): MapChange | undefined {
    const removed = this.#pending?.removed?.overlapping(range) ?? [];
    for (const state of sortByAddress([...this.#table.overlapping(range), ...removed].filter(isActive))) {
      const edit = this.#pending?.editOf(state);
      const mapping =
        edit === undefined ? state.mappings.firstOverlap(range) : this.#before(edit).firstOverlap(state, range);
      if (mapping !== undefined) {
        return writableOf(state, edit) ? mapping : readOnly(mapping);
      }
    }
    return undefined;
  }

  /** All active mappings, ascending. Nothing is to change meanwhile. */
  *all(): Coroutine<readonly MapChange[]> {
    const regions = yield* this.#activeRegions();
    let count = 0;
    yield* eachInSlices(regions, ({ mappings }) => {
      count += mappings.size;
    });
    // A long list that grows is copied again and again, each time as a whole.
    const all = count < PREALLOCATED_LENGTH_MIN ? [] : new Array<MapChange>(count);
    const cursor = { page: 0, at: 0 };
    for (const state of regions) {
      const edit = this.#pending?.editOf(state);
      const isWritable = writableOf(state, edit);
      if (edit !== undefined && !edit.isEmpty) {
        yield* eachInSlices(yield* sortedInSlices(yield* mappingsBefore(state, edit)), (mapping) => {
          all[cursor.at++] = isWritable ? mapping : readOnly(mapping);
        });
        continue;
      }
      for (cursor.page = 0; cursor.page < Infinity;) {
        const first = cursor.at;
        copyShown(all, state, cursor, isWritable);
        const pause = pauseIfOver(1 + (cursor.at - first) / COPIED_EACH);
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
    all.length = cursor.at;
    return all;
  }

  /** The same, within the call. */
  allNow(): readonly MapChange[] {
    return runAtOnce(this.all());
  }

  /** Ascending. */
  *#activeRegions(): Coroutine<readonly RegionState[]> {
    const present = yield* filterInSlices(yield* this.#table.all(), isActive);
    const removed = this.#pending?.removed;
    if (removed !== undefined) {
      yield* eachInSlices(yield* removed.all(), (state) => {
        if (isActive(state)) {
          present.push(state);
        }
      });
    }
    return yield* sortedInSlices(present);
  }

  /** Stays true to its generation. Costs nothing until its mappings are read. */
  snapshot(): MemoryMapSnapshot {
    let version: Version | undefined = this.#latest?.deref() ?? { change: undefined, next: undefined };
    this.#latest = new WeakRef(version);
    let mappings: readonly MapChange[] | undefined;
    const read = (): readonly MapChange[] => {
      mappings ??= copiesOf(rewind(this.allNow(), version));
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

  /** Makes ready for many questions about what edited regions had. Else it is done when the first is asked. */
  *indexEdits(edits: readonly RegionEdits[]): Coroutine<void> {
    for (const edit of edits) {
      if (!edit.isEmpty) {
        this.#befores.set(edit, yield* BeforeEdits.of(edit));
      }
    }
  }

  /** An index of what an edited region had, made when it is asked for, and again when edits have been added. */
  #before(edit: RegionEdits): BeforeEdits {
    let before = this.#befores.get(edit);
    if (before?.isOf(edit) !== true) {
      before = runAtOnce(BeforeEdits.of(edit));
      this.#befores.set(edit, before);
    }
    return before;
  }
}

/** The regions are to change places, from active to not or back, all at once. */
function* prepareToggle(regions: readonly RegionState[]): Coroutine<PendingToggle> {
  const activity = new PendingToggle();
  yield* inSlices(regions.length, (from, to) => {
    for (let index = from; index < to; index++) {
      (regions[index] as RegionState).toggleWith(activity);
    }
  });
  return activity;
}

/** Copies what a region shows, as `RangeMap.copyTo` does. */
function copyShown(mappings: MapChange[], state: RegionState, cursor: CopyCursor, isWritable: boolean): void {
  const first = cursor.at;
  state.mappings.copyTo(mappings, cursor, TOGETHER);
  if (!isWritable) {
    for (let at = first; at < cursor.at; at++) {
      mappings[at] = readOnly(mappings[at] as MapChange);
    }
  }
}

function isActive(state: RegionState): boolean {
  return state.active;
}

function writableOf(state: RegionState, edit: RegionEdits | undefined): boolean {
  return (edit === undefined ? state.visible : edit.visibleBefore)?.writable === true;
}
