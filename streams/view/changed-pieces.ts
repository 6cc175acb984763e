import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { Ranged } from '../ranges/range-map.js';
import { sortByAddress } from '../ranges/sort-by-address.js';
import { firstEndingAfter, overlappingOf } from '../ranges/sorted-list.js';
import { piecesIn } from '../regions/pieces.js';
import type { RegionState, ShownChange } from '../regions/region-state.js';
import type { RegionBefore } from '../regions/state-before.js';
import type { Coroutine } from '../util/coroutine.js';
import { append, EMPTY_LIST } from '../util/lists.js';
import { mergedInSlices, widened } from './shown-parts.js';

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
  const removed = yield* piecesAt(windows, (window) => state.partsOverlapping(window), state, before);
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
  const changed = overlappingOf(dirty, state.range).map(({ range }) => ({ range: widened(range) }));
  return yield* mergedInSlices([...edited, ...changed]);
}

function* piecesAt(
  windows: readonly Ranged[],
  partsIn: (window: MemoryRange) => readonly Ranged[],
  state: RegionState,
  before: RegionBefore | undefined,
): Coroutine<readonly MapChange[]> {
  const all: MapChange[] = [];
  for (const { range: window } of windows) {
    for (const { range: part } of partsIn(window)) {
      const pieces = yield* piecesIn(state, before, part, window);
      // A long piece may reach into several windows.
      const isKnown = pieces[0]?.range.startPage === all[all.length - 1]?.range.startPage;
      append(all, isKnown ? pieces.slice(1) : pieces);
    }
  }
  return all;
}

/** The parts of a region that show after the change and share a page with `window`, in ascending order. */
export function partsAfter(
  state: RegionState,
  change: ShownChange | undefined,
  window: MemoryRange,
): readonly Ranged[] {
  const parts = state.partsOverlapping(window);
  if (change === undefined) {
    return parts;
  }
  const kept = parts.filter(({ range }) => !isAmong(change.removed, range));
  return sortByAddress([...kept, ...overlappingOf(change.added, window)]);
}

function isAmong(parts: readonly Ranged[], range: MemoryRange): boolean {
  return parts[firstEndingAfter(parts, range.startPage)]?.range.equals(range) === true;
}
