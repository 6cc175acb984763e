import { append } from '../util/lists.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import type { RegionState } from './region-state.js';
import { eachInSlices, entriesInSlices, overlappingInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { done } from '../util/sliced-work.js';

/** Limit of regions that are searched without a pause. */
const REGIONS_AT_ONCE_MAX = 1024;

/** The regions of one priority and range, in the order in which they were added. */
interface Slot {
  readonly range: MemoryRange;
  readonly regions: RegionState[];
}

/** The regions of one priority. Their ranges are equal or disjoint. */
interface Layer {
  readonly priority: number;
  readonly slots: RangeMap<Slot>;
}

/**
 * All regions, by priority and address.
 *
 * Two regions may overlap only if the one of higher priority contains the other, or if their priorities and ranges are equal. Therefore, of the
 * regions at an address each contains the next, and a region covers another one completely or not at all.
 */
export class RegionTable {
  /** Highest priority first. */
  #layers: Layer[] = [];
  #size = 0;

  /** A region that conflicts with a new region of this range and priority, if there is one. */
  conflict(range: MemoryRange, priority: number): RegionState | undefined {
    for (const layer of this.#layers) {
      const slot =
        layer.priority === priority
          ? conflictAmongEquals(layer, range)
          : layer.priority > priority
            ? conflictAbove(layer, range)
            : conflictBelow(layer, range);
      if (slot !== undefined) {
        return slot.regions[0];
      }
    }
    return undefined;
  }

  /** Adds a region, which must not conflict with another one. */
  add(state: RegionState): void {
    this.#size += 1;
    const layer = this.#layer(state.priority);
    const slot = layer.slots.startingAt(state.range.startPage);
    if (slot === undefined) {
      layer.slots.insert({ range: state.range, regions: [state] });
      return;
    }
    const later = slot.regions.findIndex((other) => other.sequence > state.sequence);
    slot.regions.splice(later === -1 ? slot.regions.length : later, 0, state);
  }

  remove(state: RegionState): void {
    const layer = this.#layer(state.priority);
    const slot = layer.slots.startingAt(state.range.startPage);
    const index = slot?.regions.indexOf(state) ?? -1;
    if (slot === undefined || index === -1) {
      return;
    }
    this.#size -= 1;
    slot.regions.splice(index, 1);
    if (slot.regions.length === 0) {
      layer.slots.remove(slot.range);
    }
    if (layer.slots.size === 0) {
      this.#layers = this.#layers.filter((other) => other !== layer);
    }
  }

  /**
   * All regions that share a page with `range`: by descending priority, then in ascending order of addresses, then in the order in which they were
   * added.
   */
  overlapping(range: MemoryRange): RegionState[] {
    let found: RegionState[] = [];
    for (const { slots } of this.#layers) {
      const first = slots.firstOverlap(range);
      if (first === undefined) {
        continue;
      }
      // If one contains the range, no other range of the layer overlaps it.
      const regions = first.range.contains(range)
        ? first.regions
        : slots.overlapping(range).flatMap((slot) => slot.regions);
      if (found.length === 0) {
        found = [...regions];
      } else {
        append(found, regions);
      }
    }
    return found;
  }

  /** All regions, in the same order as `overlapping`. */
  *all(): Coroutine<RegionState[]> {
    const all: RegionState[] = [];
    for (const { slots } of this.#layers) {
      yield* eachInSlices(yield* entriesInSlices(slots), ({ regions }) => {
        append(all, regions);
      });
    }
    return all;
  }

  /** Like `overlapping`, with pauses for the event loop. Regions must not be added or removed before the coroutine ends. */
  overlappingInSlices(range: MemoryRange): Coroutine<RegionState[]> {
    return this.#size <= REGIONS_AT_ONCE_MAX ? done(this.overlapping(range), 1) : this.#overlappingMany(range);
  }

  *#overlappingMany(range: MemoryRange): Coroutine<RegionState[]> {
    const found: RegionState[] = [];
    for (const { slots } of this.#layers) {
      yield* eachInSlices(yield* overlappingInSlices(slots, range), ({ regions }) => {
        append(found, regions);
      });
    }
    return found;
  }

  /** Whether another mapped region covers this one. */
  isCovered(state: RegionState): boolean {
    for (const layer of this.#layers) {
      if (layer.priority < state.priority) {
        return false;
      }
      for (const other of layer.slots.firstOverlap(state.range)?.regions ?? []) {
        if (layer.priority === state.priority && other.sequence >= state.sequence) {
          break;
        }
        if (other.visible !== undefined) {
          return true;
        }
      }
    }
    return false;
  }

  #layer(priority: number): Layer {
    const index = this.#layers.findIndex((layer) => layer.priority <= priority);
    const found = this.#layers[index];
    if (found?.priority === priority) {
      return found;
    }
    const layer: Layer = { priority, slots: new RangeMap<Slot>() };
    this.#layers.splice(index === -1 ? this.#layers.length : index, 0, layer);
    return layer;
  }
}

function conflictAmongEquals(layer: Layer, range: MemoryRange): Slot | undefined {
  const slot = layer.slots.firstOverlap(range);
  return slot?.range.equals(range) === false ? slot : undefined;
}

/** In a layer of higher priority: a range that overlaps `range` must contain it. */
function conflictAbove(layer: Layer, range: MemoryRange): Slot | undefined {
  const slot = layer.slots.firstOverlap(range);
  return slot?.range.contains(range) === false ? slot : undefined;
}

/** In a layer of lower priority: `range` must contain each range that it overlaps. Only the first and the last of them can exceed it. */
function conflictBelow(layer: Layer, range: MemoryRange): Slot | undefined {
  const first = layer.slots.firstOverlap(range);
  if (first === undefined) {
    return undefined;
  }
  if (!range.contains(first.range)) {
    return first;
  }
  const last = layer.slots.firstOverlap(MemoryRange.ofPages(range.endPage - 1, range.endPage));
  return last !== undefined && !range.contains(last.range) ? last : undefined;
}
