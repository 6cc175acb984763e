import { FilePart } from './region-checks.js';
import type { MapChange } from '../contracts/change-set.js';
import { MemoryRange, PAGE_SIZE } from '../ranges/memory-range.js';
import { overlappingInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { pauseIfOver } from '../util/time-slice.js';
import type { RegionMapping, RegionState } from './region-state.js';
import type { RegionBefore } from './state-before.js';

/**
 * Pieces: what targets have of a mapping. A piece is the longest part of one mapping that shows, and inside one granule if the mapping has a
 * granule. Pieces follow from the state alone. A mapping that shows as a whole and has no granule is one piece: the same object.
 */

/**
 * The pieces inside one part of a region that shows, which share a page with `window`, in ascending order.
 *
 * @param before the mappings before a transaction; `undefined` for those of `state` now
 */
export function* piecesIn(
  state: RegionState,
  before: RegionBefore | undefined,
  part: MemoryRange,
  window: MemoryRange,
): Coroutine<readonly MapChange[]> {
  const section = part.intersection(window);
  if (section === undefined) {
    return [];
  }
  const found = yield* before?.overlappingInSlices(section) ?? overlappingInSlices(state.mappings, section);
  // Only the first and the last one can reach out of the part.
  if (!state.hasGranules && isInside(found[0], part) && isInside(found[found.length - 1], part)) {
    return found;
  }
  const pieces: MapChange[] = [];
  for (const mapping of found) {
    yield* appendPieces(pieces, mapping, part, section);
  }
  return pieces;
}

function isInside(mapping: MapChange | undefined, part: MemoryRange): boolean {
  return mapping === undefined || part.contains(mapping.range);
}

/** Appends the pieces of a mapping inside `part` that share a page with `section`. */
function* appendPieces(
  pieces: MapChange[],
  mapping: RegionMapping,
  part: MemoryRange,
  section: MemoryRange,
): Coroutine<void> {
  const { startPage, endPage } = common(mapping.range, section);
  for (let page = startPage; page < endPage;) {
    const piece = pieceAt(mapping, part, page);
    pieces.push(piece);
    page = piece.range.endPage;
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
}

/** The piece of a mapping inside one part that shows, at one of its pages. */
export function pieceAt(mapping: RegionMapping, part: MemoryRange, page: number): MapChange {
  const { granule } = mapping;
  if (granule === undefined && part.contains(mapping.range)) {
    return mapping;
  }
  const shown = common(mapping.range, part);
  if (granule === undefined) {
    return pieceOf(mapping, shown);
  }
  const start = page - (page % granule);
  const [from, to] = [Math.max(start, shown.startPage), Math.min(start + granule, shown.endPage)];
  return pieceOf(mapping, MemoryRange.ofPages(from, to));
}

/** A part of a mapping as a mapping of its own, with the same granule. */
export function partOf(mapping: RegionMapping, range: MemoryRange): RegionMapping {
  return { ...mapping, range, backing: backingAt(mapping, range) };
}

/** A part of a mapping as a piece, without its granule. */
function pieceOf(mapping: RegionMapping, range: MemoryRange): MapChange {
  const { region, type, writable, hostVa } = mapping;
  const backing = backingAt(mapping, range);
  return hostVa === undefined
    ? { range, region, type, writable, backing }
    : { range, region, type, writable, backing, hostVa };
}

function backingAt({ range, backing }: MapChange, part: MemoryRange): MapChange['backing'] {
  if (backing === 'private') {
    return backing;
  }
  const moved = BigInt(part.startPage - range.startPage) * PAGE_SIZE;
  return new FilePart(backing.mappable, backing.fileOffset + moved);
}

function common(one: MemoryRange, other: MemoryRange): MemoryRange {
  return one.intersection(other) as MemoryRange;
}
