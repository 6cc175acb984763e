import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { Ranged } from '../ranges/range-map.js';
import { filterInSlices, joinInSlices, mapInSlices, mergedInSlices, mergeInSlices } from '../ranges/slices.js';
import { hasRange, overlappingOf } from '../ranges/sorted-list.js';
import { piecesIn } from '../regions/pieces.js';
import type { RegionState, ShownChange } from '../regions/region-state.js';
import type { RegionBefore } from '../regions/state-before.js';
import type { Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { inSlices } from '../util/sliced-work.js';
import { widened } from './shown-parts.js';

/**
 * The pieces of a region before and after a transaction, at the addresses where they may differ; with the access of the mappings, in ascending
 * order. A piece that stays may be in both lists.
 *
 * @param dirty the addresses where another region may show
 * @param isSameAccess whether the region is active before and after with the same access; otherwise all of its pieces differ
 */
export function* changedPieces(
  state: RegionState,
  before: RegionBefore | undefined,
  change: ShownChange | undefined,
  dirty: readonly Ranged[],
  isSameAccess: boolean,
): Coroutine<{ readonly removed: readonly MapChange[]; readonly added: readonly MapChange[] }> {
  const windows = isSameAccess ? yield* changedWindows(state, before, change, dirty) : [state];
  const removed = yield* piecesAt(windows, (window) => state.partsInSlices(window), state, before);
  const added = yield* piecesAt(windows, (window) => partsAfter(state, change, window), state, undefined);
  return { removed, added };
}

function* changedWindows(
  state: RegionState,
  before: RegionBefore | undefined,
  change: ShownChange | undefined,
  dirty: readonly Ranged[],
): Coroutine<readonly Ranged[]> {
  const edited = before === undefined ? EMPTY_LIST : yield* before.edited();
  if (change === undefined) {
    return yield* mergedInSlices(edited);
  }
  // With the pages beside them: a piece that ends there becomes longer or shorter.
  const changed = yield* mapInSlices(overlappingOf(dirty, state.range), ({ range }) => ({ range: widened(range) }));
  return yield* mergedInSlices(yield* joinInSlices([edited, changed]));
}

function* piecesAt(
  windows: readonly Ranged[],
  partsIn: (window: MemoryRange) => Coroutine<readonly Ranged[]>,
  state: RegionState,
  before: RegionBefore | undefined,
): Coroutine<readonly MapChange[]> {
  const all: MapChange[] = [];
  for (const { range: window } of windows) {
    for (const { range: part } of yield* partsIn(window)) {
      const pieces = yield* piecesIn(state, before, part, window);
      // A long piece may reach into several windows.
      const isKnown = pieces[0]?.range.startPage === all[all.length - 1]?.range.startPage;
      yield* inSlices(pieces.length, (from, to) => {
        for (let index = isKnown ? Math.max(1, from) : from; index < to; index++) {
          all.push(pieces[index] as MapChange);
        }
      });
    }
  }
  return all;
}

/** The parts of a region that show after the change and share a page with `window`, in ascending order. */
export function* partsAfter(
  state: RegionState,
  change: ShownChange | undefined,
  window: MemoryRange,
): Coroutine<readonly Ranged[]> {
  const parts = yield* state.partsInSlices(window);
  if (change === undefined) {
    return parts;
  }
  const kept = yield* filterInSlices(parts, ({ range }) => !hasRange(change.removed, range));
  return yield* mergeInSlices(kept, overlappingOf(change.added, window));
}
