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
import {
  COPIES_PER_STEP,
  COPY_ENTRIES_MAX,
  eachInSlices,
  filterInSlices,
  PREALLOCATED_LENGTH_MIN,
  sortedInSlices,
} from '../ranges/slices.js';
import type { PendingEdits } from '../regions/pending-edits.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import { inSlices } from '../util/sliced-work.js';
import { BeforeEdits } from './before-edits.js';
import { mappingsBefore } from './edited-mappings.js';
import { readOnly } from './region-access.js';
import { rewind, Versions, type Version } from './versions.js';

/** Limit of regions that are toggled without a pause. */
const TOGGLES_AT_ONCE_MAX = 512;

/**
 * The memory map that the guest sees: the mappings of the active regions, as of the last command that took effect.
 *
 * It stores no mappings. It reads them from the regions, and ignores the edits of a transaction that has not taken effect. For an older
 * version it reverses the later changes, which are kept only as long as a snapshot needs them.
 */
export class View {
  #generation = 0;
  readonly #versions = new Versions();
  readonly #table: RegionTable;
  #pending: PendingEdits | undefined = undefined;
  readonly #beforeEdits = new WeakMap<RegionEdits, BeforeEdits>();

  constructor(table: RegionTable) {
    this.#table = table;
  }

  /** Number of commands that changed the view. */
  get generation(): number {
    return this.#generation;
  }

  /** Starts a transaction: its edits are ignored until `apply`. */
  begin(edits: PendingEdits): void {
    this.#pending = edits;
  }

  /** Ends a transaction whose edits have been rolled back. */
  abandon(): void {
    this.#pending = undefined;
  }

  /**
   * Ends a transaction that takes effect. The generation increases only if a mapping changes.
   *
   * The change is atomic: readers see the view either before or after it, also during the coroutine.
   *
   * @returns the rest of the work, when many regions are toggled
   */
  apply(change: Difference): Coroutine<void> | undefined {
    if (change.toggled.length > TOGGLES_AT_ONCE_MAX) {
      return this.#applyInSlices(change);
    }
    for (const region of change.toggled) {
      region.toggle();
    }
    this.#commit(change);
    return undefined;
  }

  *#applyInSlices(change: Difference): Coroutine<void> {
    const toggle = yield* prepareToggle(change.toggled);
    toggle.apply();
    this.#commit(change);
  }

  #commit(change: Difference): void {
    this.#pending = undefined;
    if (change.unmaps.length > 0 || change.maps.length > 0) {
      this.#generation += 1;
      this.#versions.append(change);
    }
  }

  /** Makes all regions inactive, at the end of the manager. Older snapshots do not change. */
  *end(): Coroutine<void> {
    const removed = this.#versions.isObserved ? yield* this.all() : [];
    const toggle = yield* prepareToggle(yield* this.#activeRegions());
    toggle.apply();
    this.#versions.append({ unmaps: [], removed, maps: [], toggled: [] });
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
        edit === undefined ? state.mappings.firstOverlap(range) : this.#indexOf(edit).firstOverlap(state, range);
      if (mapping !== undefined) {
        return isWritableBefore(state, edit) ? mapping : readOnly(mapping);
      }
    }
    return undefined;
  }

  /** All active mappings, in ascending order. Regions must not be edited before the coroutine ends. */
  *all(): Coroutine<readonly MapChange[]> {
    const regions = yield* this.#activeRegions();
    let count = 0;
    yield* eachInSlices(regions, ({ mappings }) => {
      count += mappings.size;
    });
    // A long list that grows would be copied several times.
    const all = count < PREALLOCATED_LENGTH_MIN ? [] : new Array<MapChange>(count);
    const cursor = { page: 0, at: 0 };
    for (const state of regions) {
      const edit = this.#pending?.editOf(state);
      const isWritable = isWritableBefore(state, edit);
      if (edit !== undefined && !edit.isEmpty) {
        yield* eachInSlices(yield* sortedInSlices(yield* mappingsBefore(state, edit)), (mapping) => {
          all[cursor.at++] = isWritable ? mapping : readOnly(mapping);
        });
        continue;
      }
      for (cursor.page = 0; cursor.page < Infinity;) {
        const first = cursor.at;
        copyMappings(all, state, cursor, isWritable);
        const pause = pauseIfOver(1 + (cursor.at - first) / COPIES_PER_STEP);
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
    all.length = cursor.at;
    return all;
  }

  /** The same without pauses. */
  allNow(): readonly MapChange[] {
    return runAtOnce(this.all());
  }

  /** In ascending order. */
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

  /** A snapshot of the current generation. Its mappings are computed when they are first read. */
  snapshot(): MemoryMapSnapshot {
    let version: Version | undefined = this.#versions.latest();
    let mappings: readonly MapChange[] | undefined;
    const read = (): readonly MapChange[] => {
      mappings ??= copiesOf(rewind(this.allNow(), version));
      version = undefined;
      return mappings;
    };
    // A plain object with a getter: printing, comparing and copying it work as for plain data.
    return {
      generation: this.#generation,
      get mappings() {
        return read();
      },
    };
  }

  /** Indexes the edits of regions, before many calls of `firstOverlap` and `at`. Otherwise the first such call does it, without a pause. */
  *indexEdits(edits: readonly RegionEdits[]): Coroutine<void> {
    for (const edit of edits) {
      if (!edit.isEmpty) {
        this.#beforeEdits.set(edit, yield* BeforeEdits.of(edit));
      }
    }
  }

  /** The index of an edited region. It is made at the first call, and again after further edits. */
  #indexOf(edit: RegionEdits): BeforeEdits {
    let before = this.#beforeEdits.get(edit);
    if (before?.isCurrent(edit) !== true) {
      before = runAtOnce(BeforeEdits.of(edit));
      this.#beforeEdits.set(edit, before);
    }
    return before;
  }
}

/** Prepares to toggle many regions at once. */
function* prepareToggle(regions: readonly RegionState[]): Coroutine<PendingToggle> {
  const toggle = new PendingToggle();
  yield* inSlices(regions.length, (from, to) => {
    for (let index = from; index < to; index++) {
      (regions[index] as RegionState).toggleWith(toggle);
    }
  });
  return toggle;
}

/** Copies the next mappings of a region, like `RangeMap.copyTo`, with the access that targets have. */
function copyMappings(mappings: MapChange[], state: RegionState, cursor: CopyCursor, isWritable: boolean): void {
  const first = cursor.at;
  state.mappings.copyTo(mappings, cursor, COPY_ENTRIES_MAX);
  if (!isWritable) {
    for (let at = first; at < cursor.at; at++) {
      mappings[at] = readOnly(mappings[at] as MapChange);
    }
  }
}

function isActive(state: RegionState): boolean {
  return state.active;
}

/** Whether a region was mapped writable before the edits. */
function isWritableBefore(state: RegionState, edit: RegionEdits | undefined): boolean {
  return (edit === undefined ? state.visible : edit.visibleBefore)?.writable === true;
}
