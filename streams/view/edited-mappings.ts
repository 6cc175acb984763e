import type { MapChange } from '../contracts/change-set.js';
import { eachInSlices, entriesInSlices, filterInSlices } from '../ranges/slices.js';
import type { RegionEdits } from '../regions/region-edits.js';
import type { RegionState } from '../regions/region-state.js';
import type { Coroutine } from '../util/coroutine.js';

/** The net effect of the edits of a region: without mappings that were added and removed again. */
export function* netEdits(
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
 * The mappings of a region before the transaction, in no order if there are edits. Correct also during the rollback of the edits, when some added
 * mappings are already removed and some removed mappings are already restored.
 */
export function mappingsBefore(state: RegionState, edit: RegionEdits | undefined): Coroutine<readonly MapChange[]> {
  return edit === undefined || edit.isEmpty ? entriesInSlices(state.mappings) : mappingsBeforeEdits(edit);
}

function* mappingsBeforeEdits(edit: RegionEdits): Coroutine<readonly MapChange[]> {
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
