import type { RegionEdits } from './region-edits.js';
import type { RegionState } from './region-state.js';
import type { RegionTable } from './region-table.js';

/** The edits of a transaction that has not taken effect. The regions have been changed already. */
export interface PendingEdits {
  editOf(state: RegionState): RegionEdits | undefined;
  /** Regions that existed before the transaction, and that it has removed from the table. */
  readonly removed: RegionTable | undefined;
}
