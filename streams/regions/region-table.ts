import { append } from '../util/lists.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import type { RegionState } from './region-state.js';
import { eachInSlices, entriesInSlices, overlappingInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { done } from '../util/sliced-work.js';

/** So many regions at most are looked through at once. */
const REGIONS_AT_ONCE_MAX = 1024;

/** Regions of one priority over the same range, the first added first. */
interface Slot {
  readonly range: MemoryRange;
  readonly regions: RegionState[];
}

/** Regions of one priority. Their ranges are the same or disjoint. */
interface Layer {
  readonly priority: number;
  readonly slots: RangeMap<Slot>;
}

/**
 * All regions, by priority and address.
 *
 * Two of them overlap only when the one of higher priority contains the other whole, or when their priorities and ranges are
 * the same. So of the regions over an address each contains the next, and one region covers another whole or not at all.
 */
export class RegionTable {
  /** Highest priority first. */
  #layers: Layer[] = [];
  #size = 0;

  /** A region that forbids one of this range and priority, if there is any. */
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

  /** Adds a region that conflicts with none. */
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

  /** All regions that share a page with `range`: highest priority first, then the first added of equals. */
  overlapping(range: MemoryRange): RegionState[] {
    let found: RegionState[] = [];
    for (const { slots } of this.#layers) {
      const first = slots.firstOverlap(range);
      if (first === undefined) {
        continue;
      }
      // Where one contains the range, it is the only one of its layer.
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

  /** All regions: highest priority first, then ascending, then the first added of equals. */
  *all(): Coroutine<RegionState[]> {
    const all: RegionState[] = [];
    for (const { slots } of this.#layers) {
      yield* eachInSlices(yield* entriesInSlices(slots), ({ regions }) => {
        append(all, regions);
      });
    }
    return all;
  }

  /**
   * As `overlapping`, for a range in which there may be many. No region is to come or go meanwhile.
   */
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

  /** Whether another visible region hides this one whole. */
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

/** Of a layer above: whoever overlaps must contain. */
function conflictAbove(layer: Layer, range: MemoryRange): Slot | undefined {
  const slot = layer.slots.firstOverlap(range);
  return slot?.range.contains(range) === false ? slot : undefined;
}

/** Of a layer below: whoever overlaps must be contained. Only those at the two ends can stick out. */
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
