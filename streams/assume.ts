import type { ChangeSet, MapChange, Outcome } from './change-set.js';
import type { TargetRange } from './errors.js';
import type { Ledger } from './ledger.js';
import { stuckOf } from './outcomes.js';

/** What a branch holds that keeps no ledger which can be seen: what it was told and has acknowledged. */
export function assume(ledger: Ledger, set: ChangeSet, outcome: Outcome): void {
  const failed = outcome.status === 'failed';
  for (const unmap of set.unmaps) {
    for (const mapping of ledger.take(unmap.covers, set)) {
      if (isAmong(mapping, stuckOf(outcome)) ?? failed) {
        ledger.stick(mapping, set.generation);
      } else {
        ledger.unstuck(mapping.range);
      }
    }
  }
  const skipped = new Set(outcome.skipped.map(({ range }) => range?.startPage));
  for (const mapping of set.maps) {
    if (set.undo) {
      if (!(isAmong(mapping, outcome.missing) ?? failed)) {
        ledger.restore(mapping);
      } else if (!ledger.unstick(mapping)) {
        ledger.miss(mapping);
      }
    } else if (!failed && !skipped.has(mapping.range.startPage)) {
      ledger.hold(mapping);
    }
  }
}

/** `undefined` where the branch does not say. */
function isAmong(mapping: MapChange, list: readonly TargetRange[] | undefined): boolean | undefined {
  return list?.some(({ range }) => range.equals(mapping.range));
}
