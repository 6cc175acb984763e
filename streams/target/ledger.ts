import { sortByAddress } from '../ranges/sort-by-address.js';
import { eachInSlices, entriesInSlices, sortedInSlices } from '../ranges/slices.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { ManagedSet } from '../changes/managed-set.js';
import { DerivedAccount } from './derived-account.js';
import { StuckMappings } from './stuck-mappings.js';
import { UnmappedMappings } from './unmapped-mappings.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { sameMapping } from '../changes/mapping.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * The mappings that one target holds, and those that it should hold and does not (missing).
 *
 * A mapping is identified by the page at which it starts, and has at most one state: held, stuck or missing. While the
 * held mappings can be derived from the active ones, they are not listed.
 */
export class Ledger {
  /** To be changed only while the ledger is not derived. */
  readonly stuck = new StuckMappings();
  #derived: DerivedAccount | undefined = undefined;
  /** By start; empty while it is derived. */
  #held = new Map<number, MapChange>();
  readonly #missing = new RangeMap<MapChange>();
  readonly #unmapped = new UnmappedMappings();

  /**
   * The derived account to keep while a set is served, instead of the list; `undefined` when the held mappings cannot
   * be derived from the active ones. They can be as long as every failed call was a map of device memory.
   */
  derive(set: ChangeSet): DerivedAccount | undefined {
    const details = ManagedSet.detailsOf(set);
    if (details === undefined) {
      return undefined;
    }
    if (set.snapshot && this.#isBlank) {
      this.#derived = new DerivedAccount(details.active);
    }
    return this.#derived?.begin(set, details) === true ? this.#derived : undefined;
  }

  /** The attachment has ended: nothing more is derived from the active mappings. */
  end(): void {
    this.#derived = undefined;
  }

  /** Whether the held mappings are derived from the active ones, and not listed. */
  get isDerived(): boolean {
    return this.#derived !== undefined;
  }

  /** To be called when a set with a derived account has been served. */
  endDerived(): void {
    if (this.#derived?.end() === true) {
      this.#derived = undefined;
    }
  }

  /**
   * From now on lists the held mappings, and those that the current set has unmapped. A reader sees the same state
   * meanwhile.
   */
  *materialize(): Coroutine<void> {
    for (let derived = this.#derived; derived !== undefined; derived = this.#derived) {
      const { mapped, unmapped } = derived;
      const { held, unmapped: unmappedInSet, generation } = yield* derived.account();
      const listed = new Map<number, MapChange>();
      yield* eachInSlices(held, (mapping) => {
        listed.set(mapping.range.startPage, mapping);
      });
      // The call of an aborted attach may have completed meanwhile: then the list is made again.
      if (this.#derived === derived && derived.mapped === mapped && derived.unmapped === unmapped) {
        this.#derived = undefined;
        this.#held = listed;
        this.#unmapped.reset(unmappedInSet, generation);
      }
    }
  }

  /** To be called before a set without a derived account is served. */
  *begin(set: ChangeSet): Coroutine<void> {
    if (this.#derived !== undefined) {
      yield* this.materialize();
    }
    this.#unmapped.begin(set.generation);
    if (set.undo === true && set.maps.length > 0) {
      yield* this.#unmapped.index();
    }
  }

  /**
   * Removes the mapping at exactly this range, which is to be unmapped. One that was held or missing can be restored by
   * an inverse set of the same generation.
   *
   * @returns the mapping, if it was held or stuck
   */
  takeForUnmap(range: MemoryRange, set: ChangeSet): MapChange | undefined {
    const held = this.#held.get(range.startPage);
    if (held?.range.equals(range) === true) {
      this.#held.delete(range.startPage);
      this.#unmapped.add(held, set);
      return held;
    }
    const stuck = this.stuck.size === 0 ? undefined : this.stuck.takeForRetry(range);
    // An inverse set unmaps what should not be held: what is missing stays missing.
    const missing = this.#missing.size === 0 || set.undo ? undefined : this.#missing.remove(range);
    if (missing !== undefined) {
      this.#unmapped.add(missing, set);
    }
    return stuck;
  }

  /** Whether an inverse set, for which `begin` has been called, has to map this mapping again. */
  mustRestore(change: MapChange): boolean {
    const { startPage } = change.range;
    return this.#unmapped.startsAt(startPage) || this.#missing.startingAt(startPage) !== undefined;
  }

  /** The mappings that an inverse set restores, ascending. */
  *unmappedInSlices(): Coroutine<readonly MapChange[]> {
    yield* this.materialize();
    const byStart = yield* this.#unmapped.index();
    return yield* sortedInSlices([...byStart.values()]);
  }

  /** The target holds the mapping. */
  hold(change: MapChange): void {
    this.#held.set(change.range.startPage, change);
    if (this.#missing.size > 0) {
      this.#missing.remove(change.range);
    }
  }

  /** An inverse set has mapped the mapping again. */
  restore(change: MapChange): void {
    this.hold(change);
    this.#unmapped.removeAt(change.range.startPage);
  }

  /** The target no longer holds the mapping. Not to be called while the ledger is derived. */
  forget(change: MapChange): void {
    this.#held.delete(change.range.startPage);
  }

  /** The target should hold the mapping, and does not. Not to be called while the ledger is derived. */
  markMissing(change: MapChange): void {
    this.#missing.replace(change);
    this.#unmapped.removeAt(change.range.startPage);
  }

  /**
   * Restores a mapping that is stuck: the target still holds it, because a failed unmap has unmapped nothing. It counts
   * as held again.
   *
   * @returns whether the mapping was stuck
   */
  restoreStuck(change: MapChange): boolean {
    const stuck = this.stuck.startingAt(change.range.startPage);
    if (stuck === undefined || !sameMapping(stuck, change)) {
      return false;
    }
    this.stuck.remove(stuck.range);
    this.restore(stuck);
    return true;
  }

  /** Whether the mapping is listed as held. Derived mappings are not listed. */
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

  /** As `missing`, in slices. */
  missingInSlices(): Coroutine<readonly MapChange[]> {
    return entriesInSlices(this.#missing);
  }

  /** What the target holds, without what is stuck. Ascending. */
  held(): MapChange[] {
    return sortByAddress([...(this.#derived?.accountNow().held ?? this.#held.values())]);
  }

  /** As `held`, in slices. */
  *heldInSlices(): Coroutine<readonly MapChange[]> {
    const held = this.#derived === undefined ? [...this.#held.values()] : (yield* this.#derived.account()).held;
    return yield* sortedInSlices(held);
  }

  /** What is held, ascending, if it is derived from the active mappings. */
  *heldAsActive(): Coroutine<readonly MapChange[] | undefined> {
    return this.#derived === undefined ? undefined : yield* this.#derived.heldBetweenSets();
  }

  /** Whether nothing is held, and nothing is stuck. */
  *isEmpty(): Coroutine<boolean> {
    if (this.#held.size > 0 || this.stuck.size > 0) {
      return false;
    }
    return this.#derived === undefined || (yield* this.#derived.account()).held.length === 0;
  }

  get #isBlank(): boolean {
    return this.#derived === undefined && this.#held.size === 0 && this.stuck.size === 0 && this.#missing.size === 0;
  }

  /** What the target holds, including what is stuck. Ascending. */
  entries(): LedgerEntry[] {
    const entry = ({ range, region, writable }: MapChange, stuck: boolean): LedgerEntry => ({
      range,
      region,
      writable,
      stuck,
    });
    return sortByAddress([
      ...this.held().map((change) => entry(change, false)),
      ...this.stuck.list().map((mapping) => entry(mapping, true)),
    ]);
  }
}
