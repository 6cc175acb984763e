import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices } from '../ranges/slices.js';
import type { RegionEdits } from '../regions/region-edits.js';
import type { RegionState } from '../regions/region-state.js';
import type { Coroutine } from '../util/coroutine.js';

/** An index of the mappings of a region before the edits of a transaction. */
export class BeforeEdits {
  /** Number of edits that the index includes. */
  readonly #editCount: number;
  readonly #added = new Set<MapChange>();
  readonly #removed = new RangeMap<MapChange>();

  private constructor(edit: RegionEdits) {
    this.#editCount = edit.added.length + edit.removed.length;
  }

  static *of(edit: RegionEdits): Coroutine<BeforeEdits> {
    const before = new BeforeEdits(edit);
    yield* eachInSlices(edit.added, (mapping) => {
      before.#added.add(mapping);
    });
    yield* eachInSlices(edit.removed, (mapping) => {
      if (!before.#added.has(mapping)) {
        before.#removed.insert(mapping);
      }
    });
    return before;
  }

  /** Whether the index includes all edits: edits may be added after it was made. */
  isCurrent(edit: RegionEdits): boolean {
    return this.#editCount === edit.added.length + edit.removed.length;
  }

  /** The first mapping before the edits that shares a page with `range`. */
  firstOverlap(state: RegionState, range: MemoryRange): MapChange | undefined {
    const removed = this.#removed.firstOverlap(range);
    const kept = state.mappings.overlapping(range).find((mapping) => !this.#added.has(mapping));
    return removed === undefined || (kept !== undefined && kept.range.startPage < removed.range.startPage)
      ? kept
      : removed;
  }
}
