import type { MapChange } from '../contracts/change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { privateCoverError } from '../regions/edit-errors.js';
import { PrivateEdits, type PrivateMemory } from '../regions/private-memory.js';
import type { RegionState } from '../regions/region-state.js';
import type { RegionTable } from '../regions/region-table.js';
import type { Steps } from '../regions/steps.js';
import type { Coroutine } from '../util/coroutine.js';
import { append } from '../util/lists.js';
import { pauseIfOver } from '../util/time-slice.js';
import { partsAfter } from './changed-pieces.js';
import type { Difference } from './removals.js';

/**
 * Checks, where regions may overlap in any way, that private memory of a mapped region shows as a whole after a transaction: it cannot be delivered
 * in pieces, and its addresses belong to nobody else, also not to the hole of another region.
 *
 * @throws DmaError `ERR_PRIVATE_MEMORY`
 */
export function* checkPrivateCover(
  table: RegionTable,
  steps: Steps,
  privates: PrivateMemory | PrivateEdits,
  { shown }: Difference,
): Coroutine<void> {
  if (table.rule !== 'any') {
    return;
  }
  const changes = new Map(shown.map((change) => [change.state, change]));
  const suspects: MapChange[] = [];
  for (const { removed } of shown) {
    for (const { range } of removed) {
      append(suspects, privates.overlapping(range));
    }
  }
  for (const { state, changesVisibility } of (yield* steps.before()).regions) {
    if (changesVisibility) {
      append(suspects, privates.overlapping(state.range));
    }
  }
  if (privates instanceof PrivateEdits) {
    append(suspects, privates.added);
  }
  for (const mapping of suspects) {
    const regions = table.overlapping(mapping.range).filter(({ visible }) => visible !== undefined);
    const owner = regions.find(({ mappings }) => mappings.startingAt(mapping.range.startPage) === mapping);
    if (owner !== undefined && !(yield* isShown(owner, changes, mapping))) {
      const [above, covered] = coverOf(regions, owner, mapping);
      throw privateCoverError(above, covered, mapping);
    }
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
}

/** The highest other region that covers a part of the mapping, and that part. */
function coverOf(
  regions: readonly RegionState[],
  owner: RegionState,
  { range }: MapChange,
): readonly [RegionState, MemoryRange] {
  for (const region of regions) {
    const cover = region.isTransparent ? region.mappings.firstOverlap(range) : region;
    const covered = region === owner ? undefined : cover?.range.intersection(range);
    if (covered !== undefined) {
      return [region, covered];
    }
  }
  return [owner, range];
}

function* isShown(
  owner: RegionState,
  changes: ReadonlyMap<RegionState, Difference['shown'][number]>,
  { range }: MapChange,
): Coroutine<boolean> {
  return (yield* partsAfter(owner, changes.get(owner), range)).some((part) => part.range.contains(range));
}
