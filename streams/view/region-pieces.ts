import type { MapChange } from '../contracts/change-set.js';
import type { MapParams } from '../contracts/region.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { CopyCursor, Ranged } from '../ranges/range-map.js';
import { COPY_ENTRIES_MAX } from '../ranges/slices.js';
import { pieceAt } from '../regions/pieces.js';
import type { RegionState } from '../regions/region-state.js';
import type { RegionBefore } from '../regions/state-before.js';
import { readOnly } from './region-access.js';

/** What the view reads of one region: its pieces, with the access that targets have. */

/** Whether the pieces of an active region are not simply all of its mappings. */
export function isDivided(state: RegionState): boolean {
  return state.hasGranules || !state.isWhole;
}

/** A part of a region that shows. */
export interface ActivePart extends Ranged {
  readonly state: RegionState;
}

/** The first piece of a region before the steps of a transaction that shares a page with `range`. */
export function firstPieceOf(
  state: RegionState,
  before: RegionBefore | undefined,
  range: MemoryRange,
): MapChange | undefined {
  for (const { range: part } of state.partsOverlapping(range)) {
    const piece = firstPieceIn(state, before, part, part.intersection(range) ?? range);
    if (piece !== undefined) {
      return isWritableBefore(state, before) ? piece : readOnly(piece);
    }
  }
  return undefined;
}

/** The first piece inside one part that shows that shares a page with `section`, which is in that part; with the access of its mapping. */
export function firstPieceIn(
  state: RegionState,
  before: RegionBefore | undefined,
  part: MemoryRange,
  section: MemoryRange,
): MapChange | undefined {
  const mapping = (before ?? state.mappings).firstOverlap(section);
  return mapping === undefined
    ? undefined
    : pieceAt(mapping, part, Math.max(mapping.range.startPage, section.startPage));
}

/** Copies the next mappings of a region, like `RangeMap.copyTo`, with the access that targets have. */
export function copyMappings(mappings: MapChange[], state: RegionState, cursor: CopyCursor, isWritable: boolean): void {
  const first = cursor.at;
  state.mappings.copyTo(mappings, cursor, COPY_ENTRIES_MAX);
  if (!isWritable) {
    for (let at = first; at < cursor.at; at++) {
      mappings[at] = readOnly(mappings[at] as MapChange);
    }
  }
}

/** How a region was mapped before the steps of a transaction; `undefined` if it was not. */
export function paramsBefore(state: RegionState, before: RegionBefore | undefined): MapParams | undefined {
  return before === undefined ? state.visible : before.visible;
}

/** Whether a region was mapped writable before the steps of a transaction. */
export function isWritableBefore(state: RegionState, before: RegionBefore | undefined): boolean {
  return paramsBefore(state, before)?.writable === true;
}
