import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import type { TargetRange } from '../contracts/errors.js';
import type { Ledger } from '../target/ledger.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { stuckOf } from '../changes/outcomes.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * Records in an assumed ledger what a branch without known targets holds after it has answered a set: what its outcome
 * acknowledges.
 */
export function* recordAssumed(ledger: Ledger, set: ChangeSet, outcome: Outcome): Coroutine<void> {
  yield* ledger.beginListed(set);
  const failed = outcome.status === 'failed';
  const isStuck = yield* rangesNamedIn(stuckOf(outcome), failed);
  // A failed set is undone, but for maps that it names as stuck.
  const mayBeHeld = yield* rangesNamedIn(stuckOf(outcome), false);
  const isMissing = yield* rangesNamedIn(outcome.missing, failed);
  const recordUnmap = (range: MemoryRange): void => {
    const mapping = ledger.take(range);
    if (mapping === undefined) {
      return;
    }
    if (isStuck(mapping.range)) {
      ledger.stuck.add(mapping, set.generation);
    } else {
      ledger.stuck.endRetry(mapping.range);
    }
  };
  for (const { covers } of set.unmaps) {
    yield* eachInSlices(covers, recordUnmap);
  }
  const skipped = new Set(outcome.skipped.map(({ range }) => range?.startPage));
  yield* eachInSlices(set.maps, (mapping: MapChange) => {
    if (set.undo) {
      if (!isMissing(mapping.range)) {
        ledger.recordMap(mapping);
      } else if (!ledger.restoreStuck(mapping)) {
        ledger.markMissing(mapping);
      }
    } else if (failed) {
      if (mayBeHeld(mapping.range)) {
        ledger.stuck.add(mapping, set.generation);
      }
    } else if (!skipped.has(mapping.range.startPage)) {
      ledger.recordMap(mapping);
    }
  });
}

/**
 * A test whether an outcome names a range. An outcome without a list names every range if it is a failure, else none.
 */
function* rangesNamedIn(
  list: readonly TargetRange[] | undefined,
  failed: boolean,
): Coroutine<(range: MemoryRange) => boolean> {
  if (list === undefined) {
    return () => failed;
  }
  const byStart = new Map<number, MemoryRange>();
  yield* eachInSlices(list, ({ range }) => {
    byStart.set(range.startPage, range);
  });
  return (range) => byStart.get(range.startPage)?.equals(range) === true;
}
