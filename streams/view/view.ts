import type { MapChange, MemoryMapSnapshot } from '../contracts/change-set.js';
import type { MapParams } from '../contracts/region.js';
import { copiesOf } from '../changes/copies.js';
import type { Difference } from './removals.js';
import { pauseIfOver } from '../util/time-slice.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { piecesIn } from '../regions/pieces.js';
import { PendingChanges, type RegionState, type ShownChange } from '../regions/region-state.js';
import type { RegionTable } from '../regions/region-table.js';
import type { StateBefore } from '../regions/state-before.js';
import type { Steps } from '../regions/steps.js';
import { sortByAddress } from '../ranges/sort-by-address.js';
import {
  COPIES_PER_STEP,
  eachInSlices,
  filterInSlices,
  joinInSlices,
  mergeInSlices,
  PREALLOCATED_LENGTH_MIN,
  sortedInSlices,
} from '../ranges/slices.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import { append, EMPTY_LIST } from '../util/lists.js';
import { readOnly } from './region-access.js';
import { activeFrom, type ActiveFrom } from './active-from.js';
import {
  copyMappings,
  firstPieceOf,
  isDivided,
  isWritableBefore,
  paramsBefore,
  type ActivePart,
} from './region-pieces.js';
import { rewind, Versions, type Version } from './versions.js';

/** Limit of regions, and of parts of regions, that change without a pause. */
const PARTS_AT_ONCE_MAX = 512;

/**
 * The memory map that the guest sees: the mappings of the active regions, as of the last command that took effect.
 *
 * It stores no mappings. It reads them from the regions, and ignores the steps of a transaction that has not taken effect. For an older
 * version it reverses the later changes, which are kept only as long as a snapshot needs them.
 */
export class View {
  #generation = 0;
  /** Made for the first snapshot. */
  #versions: Versions | undefined = undefined;
  readonly #table: RegionTable;
  /** The steps of the transaction that has not taken effect. They have changed the regions already. */
  #pending: Steps | undefined = undefined;

  constructor(table: RegionTable) {
    this.#table = table;
  }

  /** Number of commands that changed the view. */
  get generation(): number {
    return this.#generation;
  }

  /** Starts a transaction: its steps are ignored until `apply`. */
  begin(steps: Steps): void {
    this.#pending = steps;
  }

  /** Ends a transaction whose steps have been taken back. */
  abandon(): void {
    this.#pending = undefined;
  }

  /**
   * Ends a transaction that takes effect. The generation increases only if a mapping changes.
   *
   * The change is atomic: readers see the view either before or after it, also during the coroutine.
   *
   * @returns the rest of the work, when much changes
   */
  apply(change: Difference): Coroutine<void> | undefined {
    if (hasMany(change.shown)) {
      return this.#applyInSlices(change);
    }
    for (const shown of change.shown) {
      shown.state.show(shown);
    }
    this.#commit(change);
    return undefined;
  }

  *#applyInSlices(change: Difference): Coroutine<void> {
    const pending = yield* prepare(change.shown);
    pending.apply();
    this.#commit(change);
  }

  #commit(change: Difference): void {
    this.#pending = undefined;
    if (change.unmaps.length > 0 || change.maps.length > 0) {
      this.#generation += 1;
      this.#versions?.append(change);
    }
  }

  /** Makes all regions inactive, at the end of the manager. Older snapshots do not change. */
  *end(): Coroutine<void> {
    const removed = this.#versions?.isObserved === true ? yield* this.all() : [];
    const hidden: ShownChange[] = [];
    for (const state of yield* this.#activeRegions(undefined)) {
      hidden.push({ state, removed: yield* state.partsInSlices(), added: EMPTY_LIST });
    }
    const pending = yield* prepare(hidden);
    pending.apply();
    this.#versions?.append({ unmaps: [], removed, maps: [], shown: [] });
  }

  /** The active mapping at exactly this range. */
  at(range: MemoryRange): MapChange | undefined {
    const mapping = this.firstOverlap(range);
    return mapping?.range.equals(range) === true ? mapping : undefined;
  }

  /** The first active mapping that shares a page with `range`. */
  firstOverlap(range: MemoryRange): MapChange | undefined {
    const before = this.#pending === undefined ? undefined : runAtOnce(this.#pending.before());
    const regions = this.#table.overlapping(range);
    append(regions, before?.removedOverlapping(range));
    let first: MapChange | undefined;
    for (const state of sortByAddress(regions.filter(isActive))) {
      if (first !== undefined && state.range.startPage >= first.range.startPage) {
        break;
      }
      const piece = firstPieceOf(state, before?.of(state), range);
      if (piece !== undefined && (first === undefined || piece.range.startPage < first.range.startPage)) {
        first = piece;
      }
    }
    return first;
  }

  /** The active pieces from a page on: see `activeFrom`. */
  from(page: number, most: number): ActiveFrom {
    const before = this.#pending === undefined ? undefined : runAtOnce(this.#pending.before());
    return activeFrom(this.#table, before, page, most);
  }

  /** The active pieces of a region, in ascending order, without pauses. */
  of(state: RegionState): readonly MapChange[] {
    const before = this.#pending === undefined ? undefined : runAtOnce(this.#pending.before()).of(state);
    const pieces = state
      .partsOverlapping(state.range)
      .flatMap(({ range }) => runAtOnce(piecesIn(state, before, range, range)));
    return isWritableBefore(state, before) ? pieces : pieces.map(readOnly);
  }

  /** How a region is mapped; `undefined` if it is not. */
  paramsOf(state: RegionState): MapParams | undefined {
    const before = this.#pending === undefined ? undefined : runAtOnce(this.#pending.before()).of(state);
    return paramsBefore(state, before);
  }

  /** All active pieces, in ascending order. Regions must not be edited before the coroutine ends. */
  *all(): Coroutine<readonly MapChange[]> {
    const before = this.#pending === undefined ? undefined : yield* this.#pending.before();
    const parts = yield* this.#activeParts(before);
    let count = 0;
    yield* eachInSlices(parts, ({ state }) => {
      count += isDivided(state) ? 0 : state.mappings.size;
    });
    // A long list that grows would be copied several times.
    const all = count < PREALLOCATED_LENGTH_MIN ? [] : new Array<MapChange>(count);
    const cursor = { page: 0, at: 0 };
    for (const { state, range } of parts) {
      const region = before?.of(state);
      const isWritable = isWritableBefore(state, region);
      if (region?.hasSameMappings === false || isDivided(state)) {
        yield* eachInSlices(yield* piecesIn(state, region, range, range), (mapping) => {
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

  /** The parts of all active regions that show, in ascending order. */
  *#activeParts(before: StateBefore | undefined): Coroutine<readonly ActivePart[]> {
    const whole: ActivePart[] = [];
    const divided: ActivePart[] = [];
    for (const state of yield* this.#activeRegions(before)) {
      if (state.isWhole) {
        whole.push({ state, range: state.range });
      } else {
        yield* eachInSlices(yield* state.partsInSlices(), ({ range }) => {
          divided.push({ state, range });
        });
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
    return yield* mergeInSlices(whole, yield* sortedInSlices(divided));
  }

  /** In ascending order. */
  *#activeRegions(before: StateBefore | undefined): Coroutine<readonly RegionState[]> {
    const present = yield* this.#table.all();
    const states = before === undefined ? present : yield* joinInSlices([present, yield* before.allRemoved()]);
    return yield* sortedInSlices(yield* filterInSlices(states, isActive));
  }

  /** A snapshot of the current generation. Its mappings are computed when they are first read. */
  snapshot(): MemoryMapSnapshot {
    let version: Version | undefined = (this.#versions ??= new Versions()).latest();
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

  /** Prepares many calls of `firstOverlap` and `at` before the transaction ends. Otherwise the first such call does it, without a pause. */
  *prepareLookups(): Coroutine<void> {
    if (this.#pending !== undefined) {
      yield* (yield* this.#pending.before()).index();
    }
  }
}

/** Whether so many regions, or parts of them, change that it takes pauses. */
function hasMany(shown: readonly ShownChange[]): boolean {
  if (shown.length > PARTS_AT_ONCE_MAX) {
    return true;
  }
  let parts = 0;
  for (const { removed, added } of shown) {
    parts += removed.length + added.length;
  }
  return parts > PARTS_AT_ONCE_MAX;
}

/** Prepares to change many regions at the same moment. */
function* prepare(changes: readonly ShownChange[]): Coroutine<PendingChanges> {
  const pending = new PendingChanges();
  for (const change of changes) {
    yield* change.state.prepare(pending, change);
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
  return pending;
}

function isActive(state: RegionState): boolean {
  return state.active;
}
