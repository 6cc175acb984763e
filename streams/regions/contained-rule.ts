import { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import type { RegionState } from './region-state.js';

/** The regions of one priority and range. */
interface Slot {
  readonly range: MemoryRange;
  readonly regions: RegionState[];
}

/**
 * The rule of overlap `'contained'`: of two regions that overlap, the one of higher priority contains the other, or both have the same priority and
 * range. So the regions of one priority are equal or disjoint, and a conflict is found by a few searches for each priority.
 */
export class ContainedRule {
  /** By priority. */
  readonly #layers = new Map<number, RangeMap<Slot>>();

  /** A region that a new region of this range and priority must not overlap, if there is one: of several, one of the highest priority. */
  conflict(range: MemoryRange, priority: number): RegionState | undefined {
    let found: RegionState | undefined;
    for (const [other, slots] of this.#layers) {
      const slot =
        other === priority
          ? conflictAmongEquals(slots, range)
          : other > priority
            ? conflictAbove(slots, range)
            : conflictBelow(slots, range);
      if (slot !== undefined && (found === undefined || other > found.priority)) {
        found = slot.regions[0];
      }
    }
    return found;
  }

  add(state: RegionState): void {
    let slots = this.#layers.get(state.priority);
    if (slots === undefined) {
      slots = new RangeMap();
      this.#layers.set(state.priority, slots);
    }
    const slot = slots.startingAt(state.range.startPage);
    if (slot === undefined) {
      slots.insert({ range: state.range, regions: [state] });
    } else {
      slot.regions.push(state);
    }
  }

  remove(state: RegionState): void {
    const slots = this.#layers.get(state.priority);
    const slot = slots?.startingAt(state.range.startPage);
    if (slots === undefined || slot === undefined) {
      return;
    }
    slot.regions.splice(slot.regions.indexOf(state), 1);
    if (slot.regions.length === 0) {
      slots.remove(slot.range);
    }
    if (slots.size === 0) {
      this.#layers.delete(state.priority);
    }
  }
}

function conflictAmongEquals(slots: RangeMap<Slot>, range: MemoryRange): Slot | undefined {
  const slot = slots.firstOverlap(range);
  return slot?.range.equals(range) === false ? slot : undefined;
}

/** In a layer of higher priority: a range that overlaps `range` must contain it. */
function conflictAbove(slots: RangeMap<Slot>, range: MemoryRange): Slot | undefined {
  const slot = slots.firstOverlap(range);
  return slot?.range.contains(range) === false ? slot : undefined;
}

/** In a layer of lower priority: `range` must contain each range that it overlaps. Only the first and the last of them can exceed it. */
function conflictBelow(slots: RangeMap<Slot>, range: MemoryRange): Slot | undefined {
  const first = slots.firstOverlap(range);
  if (first === undefined) {
    return undefined;
  }
  if (!range.contains(first.range)) {
    return first;
  }
  const last = slots.firstOverlap(MemoryRange.ofPages(range.endPage - 1, range.endPage));
  return last !== undefined && !range.contains(last.range) ? last : undefined;
}
