import type { MonoTypeOperatorFunction } from 'rxjs';
import { partsOf, SetStream, sharedSets } from '../branches/branch-stream.js';
import type { ChangeSet } from '../contracts/change-set.js';
import { withHostVas, withMaps } from '../changes/managed-set.js';
import { checkMappingType } from '../contracts/contract-checks.js';
import type { MappingType } from '../contracts/backing.js';
import { filterInSlices } from '../ranges/slices.js';
import { run, type Coroutine } from '../util/coroutine.js';
import { mapInOrder } from '../util/map-in-order.js';

/**
 * Operator that keeps the maps and unmaps of one type, and removes all others from their sets.
 *
 * Order: each set that comes in is emitted once, in order, also when nothing is left in it, so that each is answered. A
 * long set yields to the event loop; later sets wait for it.
 *
 * @param type `'ram'` or `'device'`
 * @throws TypeError when `type` is neither
 *
 * @example
 * ```ts
 * import { onlyType, RegionManager, toTarget } from 'dma-streams';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * await using manager = new RegionManager();
 * const ramOnly = new LoggingTarget({ name: 'ram only' });
 * await manager.attach((changes$) => changes$.pipe(onlyType('ram'), toTarget(ramOnly)));
 * ```
 */
export function onlyType(type: MappingType): MonoTypeOperatorFunction<ChangeSet> {
  checkMappingType(type, 'onlyType');
  return (changes$) =>
    new SetStream(partsOf(changes$), sharedSets(changes$).pipe(mapInOrder((set) => run(ofType(set, type)))));
}

function* ofType(set: ChangeSet, type: MappingType): Coroutine<ChangeSet> {
  const isOfType = (change: { readonly type: MappingType }): boolean => change.type === type;
  const unmaps = yield* filterInSlices(set.unmaps, isOfType);
  let maps = yield* filterInSlices(set.maps, isOfType);
  if (maps.length === set.maps.length && unmaps.length === set.unmaps.length) {
    return set;
  }
  const addressed = yield* withHostVas(set); // A part of the maps must have its addresses with it.
  if (addressed !== set) {
    maps = yield* filterInSlices(addressed.maps, isOfType);
  }
  return { ...withMaps(set, maps), unmaps };
}
