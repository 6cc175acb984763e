import { ManagedSet, type AddressOf } from '../changes/managed-set.js';
import { sameMapping } from '../changes/mapping.js';
import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices, filterInSlices, sortedInSlices } from '../ranges/slices.js';
import { sortByAddress } from '../ranges/sort-by-address.js';
import type { Coroutine } from '../util/coroutine.js';
import { DerivedAccount, withAddress } from './derived-account.js';
import { StuckMappings } from './stuck-mappings.js';
import type { MapList } from './target-calls.js';
import { UnmappedMappings } from './unmapped-mappings.js';

/**
 * The mappings that one target holds, and those that it should hold and does not (missing).
 *
 * A mapping is identified by the page at which it starts, and is held, stuck or missing; stuck and missing if an undo did
 * not map it again in time. While the held mappings can be derived from the active ones, they are not listed, and only the
 * progress of the current set is counted. They can be as long as the target is served nothing but sets of its manager, and
 * every failed call is a map of device memory.
 */
export class Ledger {
  /** To be changed only while the held mappings are listed: see `materialize`. */
  readonly stuck = new StuckMappings();
  /** `undefined` when the held mappings are listed. Then nothing is stuck or missing. */
  #derived: DerivedAccount | undefined = undefined;
  /** By start; empty while they are derived. */
  #held = new Map<number, MapChange>();
  #missing = new RangeMap<MapChange>();
  readonly #unmapped = new UnmappedMappings();
  #addressOf: AddressOf | undefined = undefined; // Of mappings that were taken while they were derived.
  /** Whether the current set is an inverse one. */
  #isUndo = false;
  /** The maps that the current set has made, in order; empty while they are counted. */
  #mapped: MapChange[] = [];

  /** To be called before each set. Returns a coroutine if mappings have to be listed or indexed first. */
  begin(set: ChangeSet): Coroutine<void> | undefined {
    this.#isUndo = set.undo === true;
    const details = ManagedSet.detailsOf(set);
    if (details !== undefined && set.snapshot && this.#isBlank) {
      this.#derived = new DerivedAccount(details.active);
    }
    if (this.#derived !== undefined && details !== undefined && this.#derived.begin(set, details)) {
      return undefined;
    }
    if (this.#derived !== undefined || (this.#isUndo && set.maps.length > 0)) {
      return this.beginListed(set);
    }
    this.#unmapped.begin(set.generation);
    this.#mapped = [];
    return undefined;
  }

  /** As `begin`, for a ledger that lists what is held from this set on. */
  *beginListed({ generation, undo }: ChangeSet): Coroutine<void> {
    this.#isUndo = undo === true;
    yield* this.materialize();
    this.#unmapped.begin(generation);
    this.#mapped = [];
    if (undo === true) {
      yield* this.#unmapped.index();
    }
  }

  /** To be called when a set has been served. */
  endSet(): void {
    if (this.#derived?.end() === true) {
      this.#derived = undefined;
    }
  }

  /** The target is gone: it holds nothing, and nothing is stuck or missing. */
  clear(): void {
    this.#derived = undefined;
    this.stuck.clear();
    this.#held = new Map();
    this.#missing = new RangeMap();
    this.#unmapped.reset([], -1);
    this.#mapped = [];
  }

  /** The attachment has ended: nothing more is derived from the active mappings. */
  end(): void {
    this.#derived = undefined;
  }

  /**
   * From now on lists what is held, and what the current set has mapped and unmapped. Readers see the same meanwhile.
   */
  *materialize(): Coroutine<void> {
    for (let derived = this.#derived; derived !== undefined; derived = this.#derived) {
      const { mapped, unmapped } = derived;
      const account = yield* derived.account();
      const held = new Map<number, MapChange>();
      yield* eachInSlices(account.held, (mapping) => {
        held.set(mapping.range.startPage, mapping);
      });
      // The call of an aborted attach may have completed meanwhile: then the list is made again.
      if (this.#derived === derived && derived.mapped === mapped && derived.unmapped === unmapped) {
        this.#derived = undefined;
        this.#addressOf = derived.addressOf;
        this.#held = held;
        this.#mapped = account.mapped.slice();
        this.#unmapped.reset(account.unmapped, account.generation);
      }
    }
  }

  /** Maps of the current set were made: those from index `from` up to, but not including, `to`. */
  recordMaps(list: MapList, from: number, to: number): void {
    if (this.#derived !== undefined) {
      this.#derived.mapped += to - from;
      return;
    }
    for (let index = from; index < to; index++) {
      this.recordMap(list.mappingAt(index));
    }
  }

  /** A map of the current set was made. To be called only while the held mappings are listed. */
  recordMap(change: MapChange): void {
    const { startPage } = change.range;
    this.#held.set(startPage, change);
    this.#mapped.push(change);
    if (this.#missing.size > 0) {
      this.#missing.remove(change.range);
    }
    if (this.#isUndo) {
      this.#unmapped.removeAt(startPage);
    }
  }

  /** A map of device memory has failed in the current set, and was skipped. */
  recordSkip(change: MapChange): void {
    this.#derived?.skip(change);
  }

  /** The maps that the current set has made, in order. From now on the held mappings are listed. */
  *mappedInSet(): Coroutine<readonly MapChange[]> {
    yield* this.materialize();
    return this.#mapped;
  }

  /** As `takeListed`, for the next mappings that the set removes. `undefined` if the held mappings are listed. */
  takeCounted(count: number): readonly MapChange[] | undefined {
    return this.#derived?.takeNext(count);
  }

  /**
   * Removes the mappings at exactly these ranges, which are to be unmapped, and returns those that were held or stuck.
   * To be called for the unmaps of a set in their order.
   */
  *takeListed(covers: UnmapChange['covers']): Coroutine<readonly MapChange[]> {
    const taken: MapChange[] = [];
    yield* eachInSlices(covers, (range) => {
      const mapping = this.take(range);
      if (mapping !== undefined) {
        taken.push(mapping);
      }
    });
    return taken;
  }

  /**
   * As `takeCounted`, for all unmaps of a set, if the held mappings are derived and each is unmapped by itself.
   *
   * @param each whether each mapping is unmapped by itself, also where an unmap covers several
   */
  takeEach(set: ChangeSet, each: boolean): readonly MapChange[] | undefined {
    return this.#derived?.takeEach(set, each);
  }

  /**
   * As `takeListed`, for one mapping, which is returned if it was held or stuck. One that was held or missing can be
   * restored by an inverse set of the same generation.
   */
  take(range: MemoryRange): MapChange | undefined {
    if (this.#derived !== undefined) {
      return this.#derived.take();
    }
    const held = this.#held.get(range.startPage);
    if (held?.range.equals(range) === true) {
      this.#held.delete(range.startPage);
      this.#unmapped.add(held, this.#isUndo);
      return held;
    }
    const stuck = this.stuck.size === 0 ? undefined : this.stuck.takeForRetry(range);
    // An inverse set unmaps what should not be held: what is missing stays missing.
    const missing = this.#missing.size === 0 || this.#isUndo ? undefined : this.#missing.remove(range);
    if (missing !== undefined) {
      this.#unmapped.add(missing, this.#isUndo);
    }
    return stuck;
  }

  /** The unmap of a mapping that was taken has failed. To be called only while the held mappings are listed. */
  markStuck(mapping: MapChange, generation: number): void {
    this.stuck.add(withAddress(mapping, this.#addressOf), generation);
  }

  /** Whether each successful unmap of the current set has to be recorded. */
  get recordsUnmaps(): boolean {
    return this.#isUndo || (this.#derived === undefined && this.stuck.hasRetries);
  }

  get hasStuck(): boolean {
    return this.#derived === undefined && this.stuck.size > 0;
  }

  /**
   * The maps that an inverse set has to make: what was unmapped, or is missing, and is not stuck. What is stuck counts
   * as restored.
   */
  toRestore(maps: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    return filterInSlices(maps, (change) => {
      const { startPage } = change.range;
      const isGone = this.#unmapped.startsAt(startPage) || this.#missing.startingAt(startPage) !== undefined;
      return isGone && !this.restoreStuck(change);
    });
  }

  /**
   * Restores a mapping that is stuck: the target still holds it, because a failed unmap has unmapped nothing. It counts
   * as held again.
   *
   * @returns whether the mapping was stuck
   */
  restoreStuck(change: MapChange): boolean {
    const stuck = this.stuck.startingAt(change.range.startPage);
    if (stuck === undefined || !sameMapping(stuck, change) || !this.stuck.isHeld(change.range)) {
      return false;
    }
    this.stuck.remove(stuck.range);
    this.recordMap(stuck);
    return true;
  }

  /** The mappings that an inverse set restores, ascending. */
  *unmappedInSlices(): Coroutine<readonly MapChange[]> {
    yield* this.materialize();
    const byStart = yield* this.#unmapped.index();
    return yield* sortedInSlices([...byStart.values()]);
  }

  /** The target should hold the mapping, and does not. To be called only while the held mappings are listed. */
  markMissing(change: MapChange): void {
    this.#held.delete(change.range.startPage);
    this.#missing.replace(change);
    this.#unmapped.removeAt(change.range.startPage);
  }

  /** How the held mappings are derived from the active ones; `undefined` when they are listed. */
  get derived(): DerivedAccount | undefined {
    return this.#derived;
  }

  /** Those that are listed as held. */
  listed(): Iterable<MapChange> {
    return this.#held.values();
  }

  /** Whether the mapping is listed as held. */
  holds({ range }: MapChange): boolean {
    return this.#held.get(range.startPage)?.range.equals(range) === true;
  }

  /** The mapping at exactly this range that is stuck, or listed as held. */
  at(range: MemoryRange): MapChange | undefined {
    const stuck = this.stuck.size === 0 ? undefined : this.stuck.at(range);
    const mapping = stuck ?? this.#held.get(range.startPage);
    return mapping?.range.equals(range) === true ? mapping : undefined;
  }

  /** What the target should hold and does not, ascending. */
  missing(): MapChange[] {
    return [...this.#missing];
  }

  /** The same, not to be changed. */
  get missingByAddress(): RangeMap<MapChange> {
    return this.#missing;
  }

  /** What the target holds, without what is stuck. Ascending. */
  held(): MapChange[] {
    return sortByAddress([...(this.#derived?.accountNow().held ?? this.#held.values())]);
  }

  *heldInSlices(): Coroutine<readonly MapChange[]> {
    const held = this.#derived === undefined ? [...this.#held.values()] : (yield* this.#derived.account()).held;
    return yield* sortedInSlices(held);
  }

  get #isBlank(): boolean {
    return this.#derived === undefined && this.#held.size === 0 && this.stuck.size === 0 && this.#missing.size === 0;
  }
}
