import type { MapChange } from './change-set.js';
import { DmaError, RegionOverlapError } from './errors.js';
import type { MemoryRange } from './memory-range.js';
import type { RegionState } from './region-state.js';
import type { RegionParams } from './region.js';

/** Why an edit is refused. */

/** Two regions would overlap in a way that the rules do not allow. */
export function overlapError(params: RegionParams, priority: number, existing: RegionState): RegionOverlapError {
  const rule =
    priority === existing.priority
      ? 'regions of one priority must be disjoint, or have the same range'
      : 'the region of higher priority must contain the other whole';
  return new RegionOverlapError(
    `region "${params.name}" (${params.range.toString()}, priority ${priority}) overlaps region "${existing.name}" ` +
      `(${existing.range.toString()}, priority ${existing.priority}): ${rule}`,
    params.name,
    existing.name,
  );
}

/** Something else is, or is to be, where private memory is. */
export function occupiedError(region: string, range: MemoryRange, other: MapChange): DmaError {
  const priv = other.backing === 'private' ? other : undefined;
  return new DmaError(
    priv === undefined
      ? `private memory cannot be where ${other.range.toString()} of region "${other.region}" is mapped`
      : `private memory of region "${other.region}" owns the addresses ${other.range.toString()}`,
    {
      code: 'ERR_PRIVATE_MEMORY',
      region,
      range,
      hint: 'private memory lives in its host addresses, with its contents, also while it is hidden: remove it in a command of its own first, or back it by a memfd',
    },
  );
}
