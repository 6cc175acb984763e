import type { MapChange } from '../contracts/change-set.js';
import { DmaError, RegionOverlapError } from '../contracts/errors.js';
import { MemoryRange } from '../ranges/memory-range.js';
import type { RegionState } from './region-state.js';
import type { RegionParams } from '../contracts/region.js';

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
    { range: params.range, hint: cutHint(params, priority, existing) },
  );
}

/** How to cut one of the two regions, so that all parts can be added. */
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

/** The parts of a range inside and outside of another one, ascending. */
function cut(range: MemoryRange, at: MemoryRange): readonly MemoryRange[] {
  const common = range.intersection(at);
  return [...without(range, at), ...(common === undefined ? [] : [common])].sort((a, b) => a.startPage - b.startPage);
}

/** The parts of a range that lie outside of another one, ascending. */
export function without(range: MemoryRange, other: MemoryRange): readonly MemoryRange[] {
  return [
    ...(range.startPage < other.startPage ? [MemoryRange.ofPages(range.startPage, other.startPage)] : []),
    ...(other.endPage < range.endPage ? [MemoryRange.ofPages(other.endPage, range.endPage)] : []),
  ];
}

function list(ranges: readonly MemoryRange[]): string {
  return ranges.join(' and ');
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
