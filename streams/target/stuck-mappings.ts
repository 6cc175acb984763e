import type { MapChange } from '../contracts/change-set.js';
import { entriesFrom, type EntriesFrom } from '../ranges/entries-from.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices, entriesInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

export interface StuckMapping {
  readonly range: MemoryRange;
  readonly mapping: MapChange;
  /** The generation in which the unmap was last tried again; -1 when it never was. */
  readonly triedAgainIn: number;
}

/** The mappings of one target whose unmap has failed. */
export class StuckMappings {
  #byRange = new RangeMap<StuckMapping>();
  /** The start pages of stuck mappings that are being unmapped again. */
  readonly #retried = new Set<number>();
  /**
   * By start page, the mappings that a call which timed out maps or unmaps. `under way`: it is not known whether the
   * target holds them. `released`: the call has ended, and the target does not hold them.
   */
  readonly #unsure = new Map<number, 'under way' | 'released'>();

  get size(): number {
    return this.#byRange.size;
  }

  /** Whether stuck mappings are being unmapped again. */
  get hasRetries(): boolean {
    return this.#retried.size > 0;
  }

  clear(): void {
    this.#byRange = new RangeMap();
    this.#retried.clear();
    this.#unsure.clear();
  }

  /** The unmap of a mapping has failed. */
  add(mapping: MapChange, generation: number): void {
    const isRetry = this.#retried.delete(mapping.range.startPage);
    this.#byRange.replace({ range: mapping.range, mapping, triedAgainIn: isRetry ? generation : -1 });
  }

  /** The unmap of a stuck mapping was tried again in this generation, and has failed. */
  addAgain(mapping: MapChange, generation: number): void {
    this.#byRange.replace({ range: mapping.range, mapping, triedAgainIn: generation });
  }

  /** The mapping that starts where `range` does is no longer stuck. */
  remove(range: MemoryRange): void {
    this.#byRange.remove(range);
    this.#unsure.delete(range.startPage);
  }

  /** Whether the target holds the stuck mapping at this range depends on a call that has not ended. */
  markUnderWay(range: MemoryRange): void {
    this.#unsure.set(range.startPage, 'under way');
  }

  /** That call has ended. A mapping that the target does not hold stays in the list until its unmap is tried again. */
  endUnderWay(range: MemoryRange, isHeld: boolean): void {
    if (isHeld) {
      this.#unsure.delete(range.startPage);
    } else if (this.#unsure.has(range.startPage)) {
      this.#unsure.set(range.startPage, 'released');
    }
  }

  /** Whether the target holds the stuck mapping that starts where `range` does, as far as is known. */
  isHeld(range: MemoryRange): boolean {
    return !this.#unsure.has(range.startPage);
  }

  /** Removes the mapping that starts where `range` does if the target no longer holds it. Returns whether it did. */
  removeReleased(range: MemoryRange): boolean {
    const isReleased = this.#unsure.get(range.startPage) === 'released';
    if (isReleased) {
      this.remove(range);
    }
    return isReleased;
  }

  /** Removes the mapping at exactly this range, which is to be unmapped again. */
  takeForRetry(range: MemoryRange): MapChange | undefined {
    const stuck = this.at(range);
    if (stuck !== undefined) {
      if (this.removeReleased(range)) {
        return undefined;
      }
      this.#byRange.remove(range);
      this.#retried.add(range.startPage);
    }
    return stuck;
  }

  /** The unmap of this range has succeeded; it may have been a retry. */
  endRetry(range: MemoryRange): void {
    if (this.#retried.size > 0) {
      this.#retried.delete(range.startPage);
    }
  }

  /** The mapping at exactly this range. */
  at(range: MemoryRange): MapChange | undefined {
    const stuck = this.startingAt(range.startPage);
    return stuck?.range.equals(range) === true ? stuck : undefined;
  }

  startingAt(page: number): MapChange | undefined {
    return this.#byRange.size === 0 ? undefined : this.#byRange.startingAt(page)?.mapping;
  }

  /** Whether one shares a page with `range`. */
  overlaps(range: MemoryRange): boolean {
    return this.#byRange.size > 0 && this.#byRange.overlaps(range);
  }

  /** Those that share a page with `range`, ascending. */
  overlapping(range: MemoryRange): readonly StuckMapping[] {
    return this.#byRange.overlapping(range);
  }

  /** Those that start at a page or after it: see `entriesFrom`. */
  from(page: number, most: number): EntriesFrom<StuckMapping> {
    return entriesFrom(this.#byRange, page, most);
  }

  /** All of them, ascending. */
  list(): readonly MapChange[] {
    return Array.from(this.#byRange, ({ mapping }) => mapping);
  }

  /** All of them, ascending; or those that share a page with one of these ranges, each once, in order of the ranges. */
  *entries(ranges?: readonly MemoryRange[]): Coroutine<readonly StuckMapping[]> {
    if (ranges === undefined) {
      return yield* entriesInSlices(this.#byRange);
    }
    if (this.#byRange.size === 0) {
      return [];
    }
    const found = new Set<StuckMapping>();
    yield* eachInSlices(ranges, (range) => {
      if (this.#byRange.overlaps(range)) {
        for (const stuck of this.#byRange.overlapping(range)) {
          found.add(stuck);
        }
      }
    });
    return [...found];
  }
}
