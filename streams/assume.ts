import { stuckOf } from './aftermath.js';
import type { ChangeSet, Outcome } from './change-set.js';
import type { Ledger } from './ledger.js';

/** What a branch holds that keeps no ledger which can be seen: what it was told and has acknowledged. */
export function assume(ledger: Ledger, set: ChangeSet, outcome: Outcome): void {
  const failed = outcome.status === 'failed';
  for (const unmap of set.unmaps) {
    for (const mapping of ledger.take(unmap.covers, set)) {
      const isStuck = stuckOf(outcome)?.some(({ range }) => range.equals(mapping.range)) ?? failed;
      if (isStuck) {
        ledger.stick(mapping, set.generation);
      } else {
        ledger.unstuck(mapping.range);
      }
    }
  }
  const skipped = new Set(outcome.skipped.map(({ range }) => range?.startPage));
  for (const mapping of set.maps) {
    if (set.undo) {
      if (failed && !ledger.unstick(mapping)) {
        ledger.miss(mapping);
      } else if (!failed) {
        ledger.restore(mapping);
      }
    } else if (!failed && !skipped.has(mapping.range.startPage)) {
      ledger.hold(mapping);
    }
  }
}
