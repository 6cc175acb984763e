import type { MapChange } from '../contracts/change-set.js';
import { sameMemory } from '../changes/mapping.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * The private memory of a manager, visible or not, as of the last command that took effect. Its ranges do not overlap.
 *
 * A transaction edits a `PrivateEdits`, and nothing of that is seen here before it is committed: whoever asks in between, to release an
 * address for instance, gets the state before the transaction.
 */
export class PrivateMemory {
  readonly #mappings = new RangeMap<MapChange>();

  get size(): number {
    return this.#mappings.size;
  }

  /** The one at the lowest address. */
  get first(): MapChange | undefined {
    const [first] = this.#mappings.values();
    return first;
  }

  /** Whether there is private memory at exactly this range. */
  has(range: MemoryRange): boolean {
    return this.#mappings.startingAt(range.startPage)?.range.equals(range) === true;
  }

  /** What shares a page with `range`, ascending. */
  overlapping(range: MemoryRange): readonly MapChange[] {
    return this.#mappings.size === 0 ? [] : this.#mappings.overlapping(range);
  }

  /** The edits take effect. */
  *commit({ added, removed }: PrivateEdits): Coroutine<void> {
    yield* eachInSlices(removed, (mapping) => {
      this.#mappings.remove(mapping.range);
    });
    yield* eachInSlices(added, (mapping) => {
      this.#mappings.insert(mapping);
    });
  }
}

/** What one transaction does to private memory, beside the state before it. Dropping it takes everything back. */
export class PrivateEdits {
  readonly #before: PrivateMemory;
  readonly #added = new RangeMap<MapChange>();
  readonly #removed = new Set<MapChange>();

  constructor(before: PrivateMemory) {
    this.#before = before;
  }

  /** Added, and not removed again; ascending. */
  get added(): readonly MapChange[] {
    return this.#added.toArray();
  }

  /** What was there before the transaction, and was removed. */
  get removed(): readonly MapChange[] {
    return [...this.#removed];
  }

  /** Whether memory at exactly this range is among `added`. */
  adds(range: MemoryRange): boolean {
    return this.#added.startingAt(range.startPage)?.range.equals(range) === true;
  }

  /** Adds memory that overlaps none. */
  add(mapping: MapChange): void {
    this.#added.insert(mapping);
  }

  remove(mapping: MapChange): void {
    if (this.#added.startingAt(mapping.range.startPage) === mapping) {
      this.#added.remove(mapping.range);
    } else {
      this.#removed.add(mapping);
    }
  }

  /** What there is after the edits so far, and shares a page with `range`. */
  overlapping(range: MemoryRange): readonly MapChange[] {
    return [
      ...this.#before.overlapping(range).filter((mapping) => !this.#removed.has(mapping)),
      ...this.#added.overlapping(range),
    ];
  }

  /** What has to be made, and what ends. Memory that is removed and added again at the same place is the same memory, and is in neither. */
  *net(): Coroutine<{ readonly made: readonly MapChange[]; readonly ended: readonly MapChange[] }> {
    const removed = new Map<number, MapChange>();
    yield* eachInSlices(this.removed, (mapping) => {
      removed.set(mapping.range.startPage, mapping);
    });
    const made: MapChange[] = [];
    yield* eachInSlices(this.added, (mapping) => {
      const { startPage } = mapping.range;
      const before = removed.get(startPage);
      if (before !== undefined && sameMemory(before, mapping) && before.writable === mapping.writable) {
        removed.delete(startPage);
      } else {
        made.push(mapping);
      }
    });
    return { made, ended: [...removed.values()] };
  }
}
