import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices } from '../ranges/slices.js';
import type { RegionEdits } from '../regions/region-edits.js';
import type { RegionState } from '../regions/region-state.js';
import type { Coroutine } from '../util/coroutine.js';

/** What a region had before the edits of a transaction. */
export class BeforeEdits {
  readonly #edits: number;
  readonly #added = new Set<MapChange>();
  readonly #removed = new RangeMap<MapChange>();

  private constructor(edit: RegionEdits) {
    this.#edits = edit.added.length + edit.removed.length;
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

  isOf(edit: RegionEdits): boolean {
    return this.#edits === edit.added.length + edit.removed.length;
  }

  firstOverlap(state: RegionState, range: MemoryRange): MapChange | undefined {
    const removed = this.#removed.firstOverlap(range);
    const kept = state.mappings.overlapping(range).find((mapping) => !this.#added.has(mapping));
    return removed === undefined || (kept !== undefined && kept.range.startPage < removed.range.startPage)
      ? kept
      : removed;
  }
}
