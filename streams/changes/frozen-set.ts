import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { eachInSlices } from '../ranges/slices.js';
import { ManagedSet, withHostVas, withMaps } from './managed-set.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * The form of a set that an operator of a user gets: a plain object, which shares the lists of the set and all that is in
 * them. These are frozen, so that the operator cannot change what others get; host addresses are on the maps. Ranges,
 * mappables and host virtual addresses are immutable already.
 *
 * It is no managed set, because the operator may withhold it: a target behind it does not hold what is active.
 */
export function* frozenSet(shared: ChangeSet): Coroutine<ChangeSet> {
  const { unmaps, maps } = yield* withHostVas(shared);
  if (!Object.isFrozen(unmaps)) {
    yield* eachInSlices(unmaps, freezeUnmap);
    Object.freeze(unmaps);
  }
  if (!Object.isFrozen(maps)) {
    yield* eachInSlices(maps, freezeMap);
    Object.freeze(maps);
  }
  return Object.freeze(ManagedSet.detailsOf(shared) === undefined ? shared : withMaps(shared, maps));
}

function freezeUnmap(unmap: UnmapChange): void {
  Object.freeze(unmap.covers);
  Object.freeze(unmap);
}

function freezeMap(change: MapChange): void {
  Object.freeze(change.backing);
  Object.freeze(change);
}
