import type { MapChange } from '../contracts/change-set.js';
import { sameMemory } from '../changes/mapping.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * The private memory of a manager, in mapped and unmapped regions, as of the last command that took effect. The ranges do not overlap.
 *
 * A transaction records its edits in a `PrivateEdits`. They take effect here only on `commit`; until then, for example when an address is
 * released, the state is that before the transaction.
 */
export class PrivateMemory {
  readonly #mappings = new RangeMap<MapChange>();

  get size(): number {
    return this.#mappings.size;
  }

  /** The mapping at the lowest address. */
  get first(): MapChange | undefined {
    const [first] = this.#mappings.values();
    return first;
  }

  /** Whether there is private memory at exactly this range. */
  has(range: MemoryRange): boolean {
    return this.#mappings.startingAt(range.startPage)?.range.equals(range) === true;
  }

  /** The mappings that share a page with `range`, in ascending order. */
  overlapping(range: MemoryRange): readonly MapChange[] {
    return this.#mappings.size === 0 ? [] : this.#mappings.overlapping(range);
  }

  /** Applies the edits of a transaction. */
  *commit({ added, removed }: PrivateEdits): Coroutine<void> {
    yield* eachInSlices(removed, (mapping) => {
      this.#mappings.remove(mapping.range);
    });
    yield* eachInSlices(added, (mapping) => {
      this.#mappings.insert(mapping);
    });
  }
}

/** The edits of private memory in one transaction. The state before is not changed, so a rollback only discards this object. */
export class PrivateEdits {
  readonly #before: PrivateMemory;
  readonly #added = new RangeMap<MapChange>();
  readonly #removed = new Set<MapChange>();

  constructor(before: PrivateMemory) {
    this.#before = before;
  }

  /** Mappings that were added and not removed again, in ascending order. */
  get added(): readonly MapChange[] {
    return this.#added.toArray();
  }

  /** Mappings that existed before the transaction and were removed. */
  get removed(): readonly MapChange[] {
    return [...this.#removed];
  }

  /** Whether memory at exactly this range is among `added`. */
  adds(range: MemoryRange): boolean {
    return this.#added.startingAt(range.startPage)?.range.equals(range) === true;
  }

  /** Adds a mapping, which must not overlap private memory. */
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

  /** The mappings after the edits so far that share a page with `range`. */
  overlapping(range: MemoryRange): readonly MapChange[] {
    return [
      ...this.#before.overlapping(range).filter((mapping) => !this.#removed.has(mapping)),
      ...this.#added.overlapping(range),
    ];
  }

  /** The memory to make, and the memory to release. Memory that was removed and added again unchanged is in neither list. */
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
