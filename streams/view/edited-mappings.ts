import type { MapChange } from '../contracts/change-set.js';
import { eachInSlices, entriesInSlices, filterInSlices } from '../ranges/slices.js';
import type { RegionEdits } from '../regions/region-edits.js';
import type { RegionState } from '../regions/region-state.js';
import type { Coroutine } from '../util/coroutine.js';

/** What was added and not removed again, and what was removed and had been there. */
export function* net(
  edit: RegionEdits,
): Coroutine<{ readonly added: readonly MapChange[]; readonly removed: readonly MapChange[] }> {
  if (edit.added.length === 0 || edit.removed.length === 0) {
    return edit;
  }
  const [added, removed] = [yield* setOf(edit.added), yield* setOf(edit.removed)];
  return {
    added: yield* filterInSlices(edit.added, (mapping) => !removed.has(mapping)),
    removed: yield* filterInSlices(edit.removed, (mapping) => !added.has(mapping)),
  };
}

/**
 * The mappings of a region as they were before the transaction; also while its edits are being taken back: what was added may be gone, and what
 * was removed may be there again.
 */
export function mappingsBefore(state: RegionState, edit: RegionEdits | undefined): Coroutine<readonly MapChange[]> {
  return edit === undefined || edit.isEmpty ? entriesInSlices(state.mappings) : lookPast(edit);
}

function* lookPast(edit: RegionEdits): Coroutine<readonly MapChange[]> {
  const now = yield* entriesInSlices(edit.state.mappings);
  const [added, removed] = [yield* setOf(edit.added), yield* setOf(edit.removed)];
  const before = yield* filterInSlices(now, (mapping) => !added.has(mapping) && !removed.has(mapping));
  yield* eachInSlices(edit.removed, (mapping) => {
    if (!added.has(mapping)) {
      before.push(mapping);
    }
  });
  return before;
}

function* setOf<T>(items: readonly T[]): Coroutine<Set<T>> {
  const set = new Set<T>();
  yield* eachInSlices(items, (item) => {
    set.add(item);
  });
  return set;
}
