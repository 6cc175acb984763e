import type { MonoTypeOperatorFunction } from 'rxjs';
import type { ChangeSet } from '../contracts/change-set.js';
import { unmapsOfSet, withMaps } from '../changes/managed-set.js';
import { checkMappingType } from '../contracts/contract-checks.js';
import type { MappingType } from '../contracts/region.js';
import { filterInSlices } from '../ranges/slices.js';
import { run, type Coroutine } from '../util/coroutine.js';
import { mapInOrder } from './map-in-order.js';

/**
 * Lets through what is of one type, RAM for instance. A set in which nothing is left goes on empty: every set has its answer. A long set lets
 * the event loop go on now and then, and those behind it wait.
 */
export function onlyType(type: MappingType): MonoTypeOperatorFunction<ChangeSet> {
  checkMappingType(type, 'onlyType');
  return mapInOrder((set) => run(ofType(set, type)));
}

function* ofType(set: ChangeSet, type: MappingType): Coroutine<ChangeSet> {
  const isOfType = (change: { readonly type: MappingType }): boolean => change.type === type;
  const allUnmaps = yield* unmapsOfSet(set);
  const maps = yield* filterInSlices(set.maps, isOfType);
  const unmaps = yield* filterInSlices(allUnmaps, isOfType);
  return maps.length === set.maps.length && unmaps.length === allUnmaps.length
    ? set
    : { ...withMaps(set, maps), unmaps };
}
