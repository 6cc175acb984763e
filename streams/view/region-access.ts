import { withChanges } from '../changes/mapping.js';
import type { MapChange } from '../contracts/change-set.js';
import { mapInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { done } from '../util/sliced-work.js';

/** The mappings as targets see them: writable only when their region is. The same list where that makes no difference. */
export function asTargetsSee(
  mappings: readonly MapChange[],
  regionWritable: boolean | undefined,
): readonly MapChange[] {
  return regionWritable === true ? mappings : mappings.map(readOnly);
}

/** The same of a list that may be long. */
export function asTargetsSeeInSlices(
  mappings: readonly MapChange[],
  regionWritable: boolean | undefined,
): Coroutine<readonly MapChange[]> {
  return regionWritable === true ? done(mappings, 1) : mapInSlices(mappings, readOnly);
}

/** The mapping as targets see it where its region is read-only. */
export function readOnly(mapping: MapChange): MapChange {
  return mapping.writable ? withChanges(mapping, { writable: false }) : mapping;
}
