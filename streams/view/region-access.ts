import { withChanges } from '../changes/mapping.js';
import type { MapChange } from '../contracts/change-set.js';
import { mapInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { done } from '../util/sliced-work.js';

/** The mappings with the access that targets have: writable only if their region is. Returns the same list for a writable region. */
export function withRegionAccessInSlices(
  mappings: readonly MapChange[],
  regionWritable: boolean | undefined,
): Coroutine<readonly MapChange[]> {
  return regionWritable === true ? done(mappings, 1) : mapInSlices(mappings, readOnly);
}

/** The mapping with the access that targets have in a read-only region. */
export function readOnly(mapping: MapChange): MapChange {
  return mapping.writable ? withChanges(mapping, { writable: false }) : mapping;
}
