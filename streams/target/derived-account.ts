import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { ActiveMappings, AddressOf, SetDetails } from '../changes/managed-set.js';
import { withChanges } from '../changes/mapping.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { filterInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import { hasRange } from '../ranges/sorted-list.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import { inSlices } from '../util/sliced-work.js';

/** The mappings of a target, derived from the active ones and from the progress of the current set. */
export interface Account {
  readonly held: readonly MapChange[];
  /** What the current set has mapped so far, in order. */
  readonly mapped: readonly MapChange[];
  /** What the current set has unmapped so far. */
  readonly unmapped: readonly MapChange[];
  /** The generation of the current set. */
  readonly generation: number;
}

/** Most removed mappings that are compared with the skipped ones. */
const REMOVED_COMPARED_MAX = 256;

/** Most unmaps that are compared with their mappings in one go. */
const UNMAPS_COMPARED_MAX = 4096;

/**
 * The account of a target that has been served only sets of its manager, all with success. It holds the active
 * mappings, except for device memory that could not be mapped. No list is kept, only the progress of the current set.
 */
export class DerivedAccount {
  readonly #active: ActiveMappings;
  /** `replay`: the first set, which maps the active mappings. `detach`: the last one, which unmaps all of them. */
  #phase: 'replay' | 'live' | 'detach' = 'replay';
  /** The maps and the removed mappings of the current or last set: both its steps have one generation. */
  #maps: readonly MapChange[] = [];
  #removed: readonly MapChange[] = [];
  #generation = -1;
  /** The host addresses, which the maps of a set have and the active mappings have not. */
  addressOf: AddressOf | undefined = undefined;
  /** The number of maps, and of removed mappings, of the current set that have been served, in order. */
  mapped = 0;
  unmapped = 0;
  /** By start page, active device memory that could not be mapped. */
  readonly #skipped = new Map<number, MapChange>();

  constructor(active: ActiveMappings) {
    this.#active = active;
  }

  /**
   * Begins with a set.
   *
   * @returns whether the account can be kept for this set
   */
  begin(set: ChangeSet, { active, removed, addressOf }: SetDetails): boolean {
    if (
      active !== this.#active ||
      (this.#skipped.size > 0 && this.#mayTouchSkipped(set.unmaps.length === 0 ? [] : removed))
    ) {
      return false;
    }
    // Both steps of a command have one account. The set of a detach has the generation of the active mappings, as the
    // set before it had.
    if (set.generation !== this.#generation || set.generation === this.#active.generation) {
      this.#generation = set.generation;
      this.#maps = [];
      this.#removed = [];
      this.mapped = 0;
      this.unmapped = 0;
    }
    if (set.unmaps.length > 0) {
      this.#removed = removed;
    }
    if (set.maps.length > 0) {
      this.#maps = set.maps;
    }
    this.addressOf ??= addressOf;
    if (!set.snapshot) {
      this.#phase = set.generation === this.#active.generation ? 'detach' : 'live';
    }
    return true;
  }

  /** A map of device memory has failed: counts it as served, but not as held. */
  skip(mapping: MapChange): void {
    this.#skipped.set(mapping.range.startPage, mapping);
    this.mapped += 1;
  }

  /** Counts the next removed mapping of the current set as unmapped, and returns it. */
  take(): MapChange | undefined {
    return this.#removed[this.unmapped++];
  }

  /** As `take`, for the next mappings. */
  takeNext(count: number): readonly MapChange[] {
    const first = this.unmapped;
    this.unmapped += count;
    return first === 0 && count === this.#removed.length ? this.#removed : this.#removed.slice(first, first + count);
  }

  /** As `take`, for all removed mappings of a set, if each is unmapped by itself: see `Ledger.takeEach`. */
  takeEach({ unmaps }: ChangeSet, each: boolean): readonly MapChange[] | undefined {
    const removed = this.#removed;
    if (!each) {
      if (unmaps.length !== removed.length || unmaps.length > UNMAPS_COMPARED_MAX) {
        return undefined;
      }
      for (let index = 0; index < removed.length; index++) {
        if (unmaps[index]?.range !== removed[index]?.range) {
          return undefined;
        }
      }
    }
    this.unmapped = removed.length;
    return removed;
  }

  /** To be called when a set has been served. Returns whether it was the last one, so that nothing is held. */
  end(): boolean {
    if (this.#phase === 'replay') {
      this.#phase = 'live';
      this.#maps = [];
    }
    return this.#phase === 'detach';
  }

  /** The account now. `held` is ascending, except that the maps of the current set follow the others. */
  *account(): Coroutine<Account> {
    const generation = this.#generation;
    const unmapped = yield* this.#addressed(this.#removed.slice(0, this.unmapped));
    const mapped = yield* this.#addressed(yield* this.#withoutSkipped(this.#maps.slice(0, this.mapped)));
    if (this.#phase === 'replay') {
      return { held: mapped, mapped, unmapped, generation };
    }
    if (this.#phase === 'detach') {
      return { held: yield* this.#addressed(this.#removed.slice(this.unmapped)), mapped, unmapped, generation };
    }
    const before = yield* this.#addressed(yield* this.#withoutSkipped(yield* this.#active.all()));
    if (generation <= this.#active.generation) {
      return { held: before, mapped, unmapped: [], generation }; // The set is part of the active mappings.
    }
    const kept = yield* without(before, unmapped);
    return { held: yield* joinInSlices([kept, mapped]), mapped, unmapped, generation };
  }

  /** As `account`, within the call. */
  accountNow(): Account {
    return runAtOnce(this.account());
  }

  /** Whether it holds an active mapping now. */
  holds({ range }: MapChange): boolean {
    const { startPage } = range;
    const isSkipped = this.#skipped.has(startPage);
    switch (this.#phase) {
      case 'replay':
        return !isSkipped && startPage < startOf(this.#maps[this.mapped]);
      case 'detach':
        return !isSkipped && startPage >= startOf(this.#removed[this.unmapped]);
      case 'live':
        return !isSkipped && !(this.#isUnderWay && this.#isUnmapped(range));
    }
  }

  /** What the current set has mapped so far, if that is not active yet. */
  mappedUnderWay(): Iterable<MapChange> {
    return this.#phase === 'live' && this.#isUnderWay
      ? this.#maps.slice(0, this.mapped).filter(({ range }) => !this.#skipped.has(range.startPage))
      : [];
  }

  /** Whether the current set has not taken effect. */
  get #isUnderWay(): boolean {
    return this.#generation > this.#active.generation;
  }

  /** Whether the current set has unmapped the mapping at exactly this range. */
  #isUnmapped(range: MemoryRange): boolean {
    return range.startPage < startOf(this.#removed[this.unmapped]) && hasRange(this.#removed, range);
  }

  /** What is held between two sets, ascending. */
  *heldBetweenSets(): Coroutine<readonly MapChange[]> {
    return this.#phase === 'live' && this.#generation <= this.#active.generation
      ? yield* this.#withoutSkipped(yield* this.#active.all())
      : (yield* this.account()).held;
  }

  *#addressed(mappings: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    const { addressOf } = this;
    return addressOf === undefined
      ? mappings
      : yield* mapInSlices(mappings, (mapping) => withAddress(mapping, addressOf));
  }

  *#withoutSkipped(mappings: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    return this.#skipped.size === 0
      ? mappings
      : yield* filterInSlices(mappings, ({ range }) => !this.#skipped.has(range.startPage));
  }

  /** Whether a skipped mapping may be removed; also when it would take long to find out. */
  #mayTouchSkipped(removed: readonly MapChange[]): boolean {
    return removed.length > REMOVED_COMPARED_MAX || removed.some(({ range }) => this.#skipped.has(range.startPage));
  }
}

/** `Infinity` after the last mapping of a list. */
function startOf(mapping: MapChange | undefined): number {
  return mapping?.range.startPage ?? Infinity;
}

/** The mappings without those that start where one of `others` does. */
function* without(mappings: readonly MapChange[], others: readonly MapChange[]): Coroutine<readonly MapChange[]> {
  if (others.length === 0) {
    return mappings;
  }
  const starts = new Set<number>();
  yield* inSlices(others.length, (from, to) => {
    for (let index = from; index < to; index++) {
      starts.add((others[index] as MapChange).range.startPage);
    }
  });
  return yield* filterInSlices(mappings, ({ range }) => !starts.has(range.startPage));
}

/** The mapping with its host address, if it has one. */
export function withAddress(mapping: MapChange, addressOf: AddressOf | undefined): MapChange {
  const hostVa = mapping.hostVa === undefined ? addressOf?.(mapping.range) : undefined;
  return hostVa === undefined ? mapping : withChanges(mapping, { hostVa });
}
