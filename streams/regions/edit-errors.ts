import type { MapChange } from '../contracts/change-set.js';
import { DmaError, RegionOverlapError } from '../contracts/errors.js';
import { MemoryRange, partsOutside } from '../ranges/memory-range.js';
import { granuleText } from './granules.js';
import type { RegionMapping, RegionState } from './region-state.js';
import type { RegionParams } from '../contracts/region.js';

/** A new region overlaps an existing one, and neither contains the other at a higher priority. */
export function regionOverlapError(params: RegionParams, priority: number, existing: RegionState): RegionOverlapError {
  const rule =
    priority === existing.priority
      ? 'regions of the same priority must be disjoint or have the same range'
      : 'the region of higher priority must contain the whole of the other';
  return new RegionOverlapError(
    `region "${params.name}" (${params.range.toString()}, priority ${priority}) overlaps region "${existing.name}" ` +
      `(${existing.range.toString()}, priority ${existing.priority}): ${rule}`,
    params.name,
    existing.name,
    { range: params.range, hint: `${divisionHint(params, priority, existing)} ${ANY_OVERLAP_HINT}` },
  );
}

const ANY_OVERLAP_HINT = "Or make the manager with `overlap: 'any'`, where regions may overlap in any way.";

const PRIVATE_HINT =
  'private memory keeps its host addresses and its contents also while its region is not mapped: remove it first, in a separate command, ' +
  'or use a Memfd as its backing';

/** How to divide one of the two regions, so that all parts can be added. */
function divisionHint(added: RegionParams, priority: number, existing: RegionState): string {
  const common = added.range.intersection(existing.range)?.toString() ?? '';
  if (priority < existing.priority) {
    return (
      `Divide "${added.name}" at the borders of "${existing.name}": instead of it, add ${list(divide(added.range, existing.range))} as separate ` +
      `regions. Then "${existing.name}" covers ${common}, and the other parts are active.`
    );
  }
  if (priority > existing.priority) {
    return (
      `Divide "${existing.name}" at the borders of "${added.name}": in one transaction remove "${existing.name}", and add ` +
      `${list(divide(existing.range, added.range))} as separate regions, and "${added.name}". Then "${added.name}" covers ${common}, and the ` +
      `other parts are active.`
    );
  }
  const outside = partsOutside(added.range, existing.range);
  return outside.length > 0
    ? `Only one of the two regions can contain ${common}. To leave it in "${existing.name}", add ${list(outside)} instead, as separate regions.`
    : `Only one of the two regions can contain ${common}. To move it to "${added.name}", in one transaction remove "${existing.name}", and add ` +
        `${list(partsOutside(existing.range, added.range))} as separate regions, and "${added.name}".`;
}

/** The parts of a range inside and outside another range, in ascending order. */
function divide(range: MemoryRange, at: MemoryRange): readonly MemoryRange[] {
  const common = range.intersection(at);
  return [...partsOutside(range, at), ...(common === undefined ? [] : [common])].sort(
    (a, b) => a.startPage - b.startPage,
  );
}

function list(ranges: readonly MemoryRange[]): string {
  return ranges.join(' and ');
}

/** A mapping overlaps private memory, or private memory overlaps a mapping: of the two, `other` is the existing one. */
export function privateMemoryError(region: string, range: MemoryRange, other: MapChange): DmaError {
  const priv = other.backing === 'private' ? other : undefined;
  return new DmaError(
    priv === undefined
      ? `private memory cannot be where ${other.range.toString()} of region "${other.region}" is mapped`
      : `private memory of region "${other.region}" owns the addresses ${other.range.toString()}`,
    {
      code: 'ERR_PRIVATE_MEMORY',
      region,
      range,
      hint: PRIVATE_HINT,
    },
  );
}

/** A mapped region of higher rank covers private memory of a mapped region, with a mapping or a hole. */
export function privateCoverError(above: RegionState, covered: MemoryRange, { region, range }: MapChange): DmaError {
  return new DmaError(
    `region "${above.name}" (priority ${above.priority}) would cover ${covered.toString()} of the private memory ${range.toString()} of ` +
      `region "${region}", which must show as a whole while its region is mapped`,
    {
      code: 'ERR_PRIVATE_MEMORY',
      region: above.name,
      range: covered,
      hint:
        `unmap "${above.name}" or "${region}" first, give "${region}" a higher priority, leave ${covered.toString()} out of the private memory, ` +
        'or use a Memfd as its backing',
    },
  );
}

export function mappingOverlapError(region: string, range: MemoryRange, existing: MapChange): DmaError {
  return new DmaError(`the mapping overlaps the existing mapping ${existing.range.toString()}`, {
    code: 'ERR_MAPPING_OVERLAP',
    region,
    range,
    hint: `remove ${existing.range.toString()} first; do both in one transaction to make the change atomic`,
  });
}

export function mappingCutError(region: string, range: MemoryRange, mapping: RegionMapping): DmaError {
  const text = mapping.range.toString();
  const granule = mapping.granule === undefined ? undefined : granuleText(mapping.granule);
  return new DmaError(
    granule === undefined
      ? `the range cuts the mapping ${text}`
      : `the range cuts the mapping ${text} between multiples of its granule ${granule}`,
    {
      code: 'ERR_MAPPING_CUT',
      region,
      range,
      hint:
        granule === undefined
          ? `remove the whole mapping ${text}, then add the part to keep; a mapping with a granule may be cut at multiples of it`
          : `start and end the range at multiples of ${granule} (guest addresses), or remove the whole mapping`,
    },
  );
}

/** An argument that the manager's rule of overlap does not allow. */
export function transparentHolesError({ name, range }: RegionParams): DmaError {
  return new DmaError("a region with holes: 'transparent' shows the regions below it in part", {
    code: 'ERR_INVALID_ARG_VALUE',
    region: name,
    range,
    hint: "make the manager with `overlap: 'any'`",
  });
}

/** @param range offsets in the region */
export function outOfRegionError({ name, range: { length } }: RegionState, range: MemoryRange): DmaError {
  return new DmaError(
    `${range.toString()} is not inside region "${name}", which is 0x${length.toString(16)} bytes long`,
    {
      code: 'ERR_OUT_OF_REGION',
      region: name,
      range,
      hint: 'ranges of mappings are relative to the start of their region',
    },
  );
}

export function removedError({ name, range }: RegionState): DmaError {
  return new DmaError(`region "${name}" has been removed`, {
    code: 'ERR_REGION_REMOVED',
    region: name,
    range,
    hint: 'add a region again with addRegion',
  });
}

export function transactionEndedError(): DmaError {
  return new DmaError('the transaction has ended', {
    code: 'ERR_TRANSACTION_ENDED',
    hint: 'use `edit` only synchronously, inside the function that received it',
  });
}

export function closedError(): DmaError {
  return new DmaError('the region manager has been closed', { code: 'ERR_CLOSED', hint: 'make a new RegionManager' });
}
