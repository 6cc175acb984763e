import { sortByAddress } from '../ranges/sort-by-address.js';
import { eachInSlices, entriesInSlices, sortedInSlices } from '../ranges/slices.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { ManagedSet } from '../changes/managed-set.js';
import { DerivedAccount } from './derived-account.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { sameMapping } from '../changes/mapping.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { Coroutine } from '../util/coroutine.js';

interface Stuck {
  readonly range: MemoryRange;
  readonly mapping: MapChange;
  /** The generation for which the unmap was last tried again; -1 when it never was. */
  readonly triedAgainIn: number;
}

/**
 * What one target holds, and what it should hold and does not.
 *
 * Kept by the page at which a mapping starts; a mapping is held, or stuck, or missing, or none of it. As long as what is held follows from
 * what is active, no list of it is made.
 */
export class Ledger {
  #derived: DerivedAccount | undefined = undefined;
  /** Empty while it is derived. */
  #held = new Map<number, MapChange>();
  readonly #stuck = new RangeMap<Stuck>();
  readonly #missing = new RangeMap<MapChange>();
  /** What the forward unmaps of one generation took: what an inverse set puts back. */
  #taken: MapChange[] = [];
  /** The same by start; made when something is undone. */
  #takenByStart: Map<number, MapChange> | undefined = undefined;
  #takenIn = -1;
  /** Pages at which stuck mappings start that are being unmapped once more. */
  readonly #retried = new Set<number>();

  /**
   * The account to keep of this set instead of the list, where what is held can be derived from what is active: as long as every call succeeds,
   * or is one for device memory.
   */
  derive(set: ChangeSet): DerivedAccount | undefined {
    if (!(set instanceof ManagedSet)) {
      return undefined;
    }
    if (set.snapshot && this.#isBlank) {
      this.#derived = new DerivedAccount(set.active);
    }
    return this.#derived?.begin(set) === true ? this.#derived : undefined;
  }

  /** What is held is nobody's business any longer. */
  end(): void {
    this.#derived = undefined;
  }

  /** Whether what is held follows from what is active, and is not listed. */
  get isDerived(): boolean {
    return this.#derived !== undefined;
  }

  /** A set of which a derived account is kept has been served to its end. */
  endDerived(): void {
    if (this.#derived?.end() === true) {
      this.#derived = undefined;
    }
  }

  /** Lists what is held, and what the set under way has taken, from now on. Whoever looks meanwhile sees the same. */
  *materialize(): Coroutine<void> {
    for (let derived = this.#derived; derived !== undefined; derived = this.#derived) {
      const { mapped, unmapped } = derived;
      const { held, taken, generation } = yield* derived.account();
      const listed = new Map<number, MapChange>();
      yield* eachInSlices(held, (mapping) => {
        listed.set(mapping.range.startPage, mapping);
      });
      // A call that was given up may have come back meanwhile.
      if (this.#derived === derived && derived.mapped === mapped && derived.unmapped === unmapped) {
        this.#derived = undefined;
        this.#held = listed;
        this.#taken = [...taken];
        this.#takenByStart = undefined;
        this.#takenIn = generation;
      }
    }
  }

  /** To be called before a set is served of which no derived account is kept. */
  *begin(set: ChangeSet): Coroutine<void> {
    if (this.#derived !== undefined) {
      yield* this.materialize();
    }
    if (set.generation !== this.#takenIn) {
      if (this.#taken.length > 0) {
        this.#taken = [];
      }
      this.#takenByStart = undefined;
      this.#takenIn = set.generation;
    }
    if (set.undo === true && set.maps.length > 0) {
      yield* this.#indexTaken();
    }
  }

  /**
   * Takes out of the ledger what it has of this map, held or stuck, to be unmapped. What of it was held or missing can be put
   * back by an inverse set of the same generation.
   */
  takeForUnmap(range: MemoryRange, set: ChangeSet): MapChange | undefined {
    const held = this.#held.get(range.startPage);
    if (held?.range.equals(range) === true) {
      this.#held.delete(range.startPage);
      this.#remember(held, set);
      return held;
    }
    const stuck = this.#stuck.size === 0 ? undefined : this.#stuck.startingAt(range.startPage);
    const isStuck = stuck?.range.equals(range) === true;
    if (isStuck) {
      this.#stuck.remove(range);
      this.#retried.add(range.startPage);
    }
    // What an inverse set takes away is not what should be there: that stays missing.
    const missing = this.#missing.size === 0 || set.undo ? undefined : this.#missing.remove(range);
    if (missing !== undefined) {
      this.#remember(missing, set);
    }
    return isStuck ? stuck.mapping : undefined;
  }

  /** Whether an inverse set, which has begun, has to put this mapping back. */
  mustRestore(change: MapChange): boolean {
    const { startPage } = change.range;
    return this.#takenByStart?.has(startPage) === true || this.#missing.startingAt(startPage) !== undefined;
  }

  /** All that an inverse set would put back, ascending. */
  *unmappedInSlices(): Coroutine<readonly MapChange[]> {
    yield* this.materialize();
    const byStart = yield* this.#indexTaken();
    return yield* sortedInSlices([...byStart.values()]);
  }

  /** The target holds it. */
  hold(change: MapChange): void {
    this.#held.set(change.range.startPage, change);
    if (this.#missing.size > 0) {
      this.#missing.remove(change.range);
    }
  }

  /** An inverse set put it back. */
  restore(change: MapChange): void {
    this.hold(change);
    this.#takenByStart?.delete(change.range.startPage);
  }

  /** The target no longer holds it. Not to be called while it is derived. */
  forget(change: MapChange): void {
    this.#held.delete(change.range.startPage);
  }

  /** The target should hold it, and does not. Not to be called while it is derived. */
  markMissing(change: MapChange): void {
    this.#missing.replace(change);
    this.#takenByStart?.delete(change.range.startPage);
  }

  /** Its unmap failed. Not to be called while it is derived. */
  markStuck(mapping: MapChange, generation: number): void {
    const again = this.#retried.delete(mapping.range.startPage);
    this.#stuck.replace({ range: mapping.range, mapping, triedAgainIn: again ? generation : -1 });
  }

  /** Its unmap did not fail, though it may have before. */
  clearRetried(range: MemoryRange): void {
    if (this.#retried.size > 0) {
      this.#retried.delete(range.startPage);
    }
  }

  /** The target does not hold it after all. */
  clearStuck(range: MemoryRange): void {
    this.#stuck.remove(range);
  }

  /**
   * Where a mapping is to be put back whose unmap failed, the target holds it still: an unmap that fails has taken nothing. Tells
   * whether that was so; then it is held again.
   */
  restoreStuck(change: MapChange): boolean {
    const stuck = this.#stuck.size === 0 ? undefined : this.#stuck.startingAt(change.range.startPage);
    if (stuck === undefined || !sameMapping(stuck.mapping, change)) {
      return false;
    }
    this.#stuck.remove(stuck.range);
    this.restore(stuck.mapping);
    return true;
  }

  /** Whether this is held; of what is listed. What follows from what is active is as the outcomes say. */
  holds({ range }: MapChange): boolean {
    return this.#held.get(range.startPage)?.range.equals(range) === true;
  }

  get hasStuck(): boolean {
    return this.#stuck.size > 0;
  }

  stuckIn(range: MemoryRange): boolean {
    return this.#stuck.size > 0 && this.#stuck.overlaps(range);
  }

  /** Whether exactly this is stuck. */
  isStuck(range: MemoryRange): boolean {
    return this.#stuck.size > 0 && this.#stuck.startingAt(range.startPage)?.range.equals(range) === true;
  }

  /** The mapping at exactly this range that is stuck, or listed as held. */
  at(range: MemoryRange): MapChange | undefined {
    const stuck = this.#stuck.size === 0 ? undefined : this.#stuck.startingAt(range.startPage);
    const mapping = stuck?.range.equals(range) === true ? stuck.mapping : this.#held.get(range.startPage);
    return mapping?.range.equals(range) === true ? mapping : undefined;
  }

  /** All that is stuck, or what of it shares a page with one of these ranges, each once. */
  *stuckEntries(ranges?: readonly MemoryRange[]): Coroutine<readonly Stuck[]> {
    if (ranges === undefined) {
      return yield* entriesInSlices(this.#stuck);
    }
    if (this.#stuck.size === 0) {
      return [];
    }
    const found = new Set<Stuck>();
    yield* eachInSlices(ranges, (range) => {
      if (this.#stuck.overlaps(range)) {
        for (const stuck of this.#stuck.overlapping(range)) {
          found.add(stuck);
        }
      }
    });
    return [...found];
  }

  /** Its unmap was tried again: without success, for a generation. */
  markStillStuck(mapping: MapChange, generation: number): void {
    this.#stuck.replace({ range: mapping.range, mapping, triedAgainIn: generation });
  }

  /** What is stuck and shares a page with `range`, ascending. */
  stuckOver(range: MemoryRange): readonly Stuck[] {
    return this.#stuck.overlapping(range);
  }

  get stuckCount(): number {
    return this.#stuck.size;
  }

  /** What the target should hold and does not, ascending. */
  missing(): MapChange[] {
    return [...this.#missing];
  }

  /** The same, letting the event loop go on. */
  missingInSlices(): Coroutine<readonly MapChange[]> {
    return entriesInSlices(this.#missing);
  }

  /** What the target holds as it should, ascending. */
  held(): MapChange[] {
    return sortByAddress([...(this.#derived?.accountNow().held ?? this.#held.values())]);
  }

  /** The same, letting the event loop go on. */
  *heldInSlices(): Coroutine<readonly MapChange[]> {
    const held = this.#derived === undefined ? [...this.#held.values()] : (yield* this.#derived.account()).held;
    return yield* sortedInSlices(held);
  }

  /** What is held, ascending, where that follows from what is active. */
  *heldAsActive(): Coroutine<readonly MapChange[] | undefined> {
    return this.#derived === undefined ? undefined : yield* this.#derived.heldBetweenSets();
  }

  /** Whether it holds nothing, and nothing is stuck. */
  *isEmpty(): Coroutine<boolean> {
    if (this.#held.size > 0 || this.#stuck.size > 0) {
      return false;
    }
    return this.#derived === undefined || (yield* this.#derived.account()).held.length === 0;
  }

  get #isBlank(): boolean {
    return this.#derived === undefined && this.#held.size === 0 && this.#stuck.size === 0 && this.#missing.size === 0;
  }

  /** What the target holds, ascending. */
  entries(): LedgerEntry[] {
    const entry = ({ range, region, writable }: MapChange, stuck: boolean): LedgerEntry => ({
      range,
      region,
      writable,
      stuck,
    });
    return sortByAddress([
      ...this.held().map((change) => entry(change, false)),
      ...Array.from(this.#stuck, ({ mapping }) => entry(mapping, true)),
    ]);
  }

  *#indexTaken(): Coroutine<Map<number, MapChange>> {
    let byStart = this.#takenByStart;
    if (byStart === undefined) {
      const index = new Map<number, MapChange>();
      yield* eachInSlices(this.#taken, (change) => {
        index.set(change.range.startPage, change);
      });
      this.#takenByStart = byStart = index;
    }
    return byStart;
  }

  #remember(change: MapChange, set: ChangeSet): void {
    if (set.undo !== true) {
      this.#taken.push(change);
      this.#takenByStart?.set(change.range.startPage, change);
    }
  }
}
