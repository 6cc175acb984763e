import type { MapChange } from '../contracts/change-set.js';
import type { RangeMap } from '../ranges/range-map.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import type { RegionEdits } from './region-edits.js';
import type { RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';

/**
 * Undoes the edits of a transaction: first removes all that was added, then restores all that was removed. So nothing that is restored overlaps
 * something that was added.
 *
 * @param removed the regions that the transaction removed; those that are restored are removed from it
 */
export function* rollback(
  edits: readonly RegionEdits[],
  table: RegionTable,
  removed: RegionTable | undefined,
): Coroutine<void> {
  const added = new Set<MapChange>();
  for (const edit of edits) {
    const { state } = edit;
    yield* eachInSlices(edit.added, (mapping) => {
      added.add(mapping);
      removeSame(state.mappings, mapping);
    });
    state.visible = edit.visibleBefore;
    if (state.present && !edit.presentBefore) {
      removeFromTable(table, state);
    }
  }
  for (const edit of edits) {
    const { state } = edit;
    if (edit.presentBefore && !state.present) {
      removed?.remove(state);
      addToTable(table, state);
    }
    yield* eachInSlices(edit.removed, (mapping) => {
      if (!added.has(mapping)) {
        state.mappings.insert(mapping);
      }
    });
  }
}

export function addToTable(table: RegionTable, state: RegionState): void {
  table.add(state);
  state.present = true;
}

export function removeFromTable(table: RegionTable, state: RegionState): void {
  table.remove(state);
  state.present = false;
}

/** Removes this mapping, but not another one that starts at the same page. */
function removeSame(map: RangeMap<MapChange>, mapping: MapChange): void {
  if (map.startingAt(mapping.range.startPage) === mapping) {
    map.remove(mapping.range);
  }
}
