import { map, type MonoTypeOperatorFunction } from 'rxjs';
import { checkMappingType } from '../arguments.js';
import type { ChangeSet } from '../change-set.js';
import { withMaps } from '../command-set.js';
import type { MappingType } from '../region.js';

/**
 * Lets through what is of one type, RAM for instance. A set in which nothing is left goes on empty: every set has its answer.
 */
export function onlyType(type: MappingType): MonoTypeOperatorFunction<ChangeSet> {
  checkMappingType(type, 'onlyType');
  return map((set) => {
    const isOfType = (change: { readonly type: MappingType }): boolean => change.type === type;
    return set.maps.every(isOfType) && set.unmaps.every(isOfType)
      ? set
      : { ...withMaps(set, set.maps.filter(isOfType)), unmaps: set.unmaps.filter(isOfType) };
  });
}
