import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { eachInSlices } from '../ranges/slices.js';
import { withHostVas } from './managed-set.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * Freezes a set with all that is in it, and with its host addresses on its maps, so that an operator or observer cannot change what others receive. Ranges,
 * mappables and host virtual addresses are immutable already.
 */
export function* frozenSet(shared: ChangeSet): Coroutine<ChangeSet> {
  const set = yield* withHostVas(shared);
  if (!Object.isFrozen(set)) {
    yield* eachInSlices(set.unmaps, freezeUnmap);
    yield* eachInSlices(set.maps, freezeMap);
    Object.freeze(set.unmaps);
    Object.freeze(set.maps);
    Object.freeze(set);
  }
  return set;
}

function freezeUnmap(unmap: UnmapChange): void {
  Object.freeze(unmap.covers);
  Object.freeze(unmap);
}

function freezeMap(change: MapChange): void {
  Object.freeze(change.backing);
  Object.freeze(change);
}
