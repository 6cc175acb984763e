import type { MapChange, UnmapChange } from '../contracts/change-set.js';
import { DmaUnmapError, type DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices, mapInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/** A call of `unmapDma`, and the mappings that it ends. */
export interface UnmapCall {
  readonly range: MemoryRange;
  readonly ends: readonly MapChange[];
}

/** A mapping that is unmapped by a call of its own, or a call that ends several. */
export type UnmapItem = MapChange | UnmapCall;

/** The number of mappings that an item ends. */
export function mappingCount(item: UnmapItem): number {
  return 'ends' in item ? item.ends.length : 1;
}

export function callOf(item: UnmapItem): UnmapCall {
  return 'ends' in item ? item : { range: item.range, ends: [item] };
}

/** The items as unmaps. */
export function* unmapsOfItems(items: readonly UnmapItem[]): Coroutine<readonly UnmapChange[]> {
  const unmaps: UnmapChange[] = [];
  for (const item of items) {
    const { range, ends } = callOf(item);
    const [{ region, type }] = ends as readonly [MapChange];
    unmaps.push({ range, region, type, covers: yield* mapInSlices(ends, (mapping) => mapping.range) });
  }
  return unmaps;
}

/**
 * A test which mappings of a failed call are still held. A `DmaUnmapError` names them; any other error means all of
 * them.
 *
 * @param count the number of mappings of the call
 */
export function* stillHeldAfter(error: DmaError, count: number): Coroutine<(mapping: MapChange) => boolean> {
  if (!(error instanceof DmaUnmapError)) {
    return always;
  }
  const { stuck } = error;
  if (count === 1) {
    return ({ range }) => stuck.some((at) => at.range.equals(range));
  }
  const byStart = new Map<number, MemoryRange>();
  yield* eachInSlices(stuck, ({ range }) => {
    byStart.set(range.startPage, range);
  });
  return ({ range }) => byStart.get(range.startPage)?.equals(range) === true;
}

function always(): boolean {
  return true;
}
