import type { MapChange } from '../contracts/change-set.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { sortByAddress } from '../ranges/sort-by-address.js';
import type { RegionTable } from '../regions/region-table.js';
import type { StateBefore } from '../regions/state-before.js';
import { readOnly } from './region-access.js';
import { firstPieceIn, isWritableBefore, type ActivePart } from './region-pieces.js';

/** Active pieces side by side. */
export interface ActiveFrom {
  /** In ascending order. Only the first one may begin before the page that was asked for. */
  readonly pieces: readonly MapChange[];
  /** They are all that begin before this page. */
  readonly end: number;
}

/**
 * The active pieces from a page on, about `most` of them, or fewer where there are none near. The cost does not depend on how many there are in
 * all, so that a long list can be read in parts while it changes.
 *
 * @param before the state before a transaction that has not taken effect
 */
export function activeFrom(
  table: RegionTable,
  before: StateBefore | undefined,
  page: number,
  most: number,
): ActiveFrom {
  const present = table.from(page, most);
  const removed = before?.removedFrom(page, most);
  const end = Math.min(present.end, removed?.end ?? Infinity);
  const range = MemoryRange.ofPages(page, end);
  const parts: ActivePart[] = [];
  for (const state of removed === undefined ? present.regions : [...present.regions, ...removed.regions]) {
    for (const part of state.partsOverlapping(range)) {
      parts.push({ state, range: part.range });
    }
  }
  const pieces: MapChange[] = [];
  for (const { state, range: part } of sortByAddress(parts)) {
    const region = before?.of(state);
    const isWritable = isWritableBefore(state, region);
    for (let from = Math.max(part.startPage, page); from < part.endPage && from < end;) {
      const piece = firstPieceIn(state, region, part, MemoryRange.ofPages(from, Math.min(part.endPage, end)));
      if (piece === undefined) {
        break;
      }
      from = piece.range.endPage;
      pieces.push(isWritable ? piece : readOnly(piece));
      if (pieces.length >= most) {
        return { pieces, end: from };
      }
    }
  }
  return { pieces, end: Math.max(end, pieces.at(-1)?.range.endPage ?? 0) };
}
