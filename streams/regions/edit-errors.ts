import type { MapChange } from '../contracts/change-set.js';
import { DmaError, RegionOverlapError } from '../contracts/errors.js';
import { MemoryRange } from '../ranges/memory-range.js';
import type { RegionState } from './region-state.js';
import type { RegionParams } from '../contracts/region.js';

/** A new region overlaps an existing one, and neither contains the other at a higher priority. */
export function regionOverlapError(params: RegionParams, priority: number, existing: RegionState): RegionOverlapError {
  const rule =
    priority === existing.priority
      ? 'regions of one priority must be disjoint, or have the same range'
      : 'the region of higher priority must contain the other whole';
  return new RegionOverlapError(
    `region "${params.name}" (${params.range.toString()}, priority ${priority}) overlaps region "${existing.name}" ` +
      `(${existing.range.toString()}, priority ${existing.priority}): ${rule}`,
    params.name,
    existing.name,
    { range: params.range, hint: cutHint(params, priority, existing) },
  );
}

/** How to divide one of the two regions, so that all parts can be added. */
function cutHint(added: RegionParams, priority: number, existing: RegionState): string {
  const common = added.range.intersection(existing.range)?.toString() ?? '';
  if (priority < existing.priority) {
    return (
      `Cut "${added.name}" at the borders of "${existing.name}". Instead of it add ${list(cut(added.range, existing.range))}, a region each: ` +
      `"${existing.name}" hides ${common}, the rest is visible.`
    );
  }
  if (priority > existing.priority) {
    return (
      `Cut "${existing.name}" at the borders of "${added.name}". In one transaction remove it, and add ${list(cut(existing.range, added.range))}, ` +
      `a region each, and "${added.name}": that hides ${common}, the rest is visible.`
    );
  }
  const outside = without(added.range, existing.range);
  return outside.length > 0
    ? `${common} can belong to one of them alone. To leave it to "${existing.name}", add ${list(outside)} instead, a region each.`
    : `${common} can belong to one of them alone. To give it to "${added.name}", in one transaction remove "${existing.name}", ` +
        `add ${list(without(existing.range, added.range))}, a region each, and "${added.name}".`;
}

/** The parts of a range inside and outside another range, in ascending order. */
function cut(range: MemoryRange, at: MemoryRange): readonly MemoryRange[] {
  const common = range.intersection(at);
  return [...without(range, at), ...(common === undefined ? [] : [common])].sort((a, b) => a.startPage - b.startPage);
}

/** The parts of a range outside another range, in ascending order. */
export function without(range: MemoryRange, other: MemoryRange): readonly MemoryRange[] {
  return [
    ...(range.startPage < other.startPage ? [MemoryRange.ofPages(range.startPage, other.startPage)] : []),
    ...(other.endPage < range.endPage ? [MemoryRange.ofPages(other.endPage, range.endPage)] : []),
  ];
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
      hint: 'private memory lives in its host addresses, with its contents, also while it is hidden: remove it in a command of its own first, or back it by a memfd',
    },
  );
}

export function mappingOverlapError(region: string, range: MemoryRange, existing: MapChange): DmaError {
  return new DmaError(`the mapping overlaps ${existing.range.toString()}, which is already there`, {
    code: 'ERR_MAPPING_OVERLAP',
    region,
    range,
    hint: `remove ${existing.range.toString()} first, in the same transaction if both are to change at once`,
  });
}

export function mappingCutError(region: string, range: MemoryRange, mapping: MapChange): DmaError {
  return new DmaError(`the range cuts the mapping ${mapping.range.toString()}`, {
    code: 'ERR_MAPPING_CUT',
    region,
    range,
    hint: `remove ${mapping.range.toString()} whole, then add the part that is to stay`,
  });
}

/** @param range offsets in the region */
export function outOfRegionError({ name, range: { length } }: RegionState, range: MemoryRange): DmaError {
  return new DmaError(
    `${range.toString()} reaches out of region "${name}", which is 0x${length.toString(16)} bytes long`,
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
    hint: 'use `edit` only inside the function that it was given to, and synchronously',
  });
}
