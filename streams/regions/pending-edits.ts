import type { RegionEdits } from './region-edits.js';
import type { RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';

/** The edits of a transaction that is under way: they have been done to regions, and have not taken effect. */
export interface PendingEdits {
  editOf(state: RegionState): RegionEdits | undefined;
  /** The regions that they have taken from the table, and that were there before. */
  readonly removed: RegionTable | undefined;
}
