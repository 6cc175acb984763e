import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { unmapsOfSet } from '../changes/managed-set.js';
import type { TargetRange } from '../contracts/errors.js';
import type { Ledger } from '../target/ledger.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { stuckOf } from '../changes/outcomes.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/** What a branch holds that keeps no ledger which can be seen: what it was told and has acknowledged. */
export function* recordAssumed(ledger: Ledger, set: ChangeSet, outcome: Outcome): Coroutine<void> {
  yield* ledger.begin(set);
  const failed = outcome.status === 'failed';
  const isStuck = yield* among(stuckOf(outcome), failed);
  const isMissing = yield* among(outcome.missing, failed);
  const take = (range: MemoryRange): void => {
    const mapping = ledger.takeForUnmap(range, set);
    if (mapping === undefined) {
      return;
    }
    if (isStuck(mapping.range)) {
      ledger.markStuck(mapping, set.generation);
    } else {
      ledger.clearRetried(mapping.range);
    }
  };
  for (const { covers } of yield* unmapsOfSet(set)) {
    yield* eachInSlices(covers, take);
  }
  const skipped = new Set(outcome.skipped.map(({ range }) => range?.startPage));
  yield* eachInSlices(set.maps, (mapping: MapChange) => {
    if (set.undo) {
      if (!isMissing(mapping.range)) {
        ledger.restore(mapping);
      } else if (!ledger.restoreStuck(mapping)) {
        ledger.markMissing(mapping);
      }
    } else if (!failed && !skipped.has(mapping.range.startPage)) {
      ledger.hold(mapping);
    }
  });
}

/** Whether a range is among those that a branch names; where it names none, all of them are if it failed. */
function* among(list: readonly TargetRange[] | undefined, failed: boolean): Coroutine<(range: MemoryRange) => boolean> {
  if (list === undefined) {
    return () => failed;
  }
  const byStart = new Map<number, MemoryRange>();
  yield* eachInSlices(list, ({ range }) => {
    byStart.set(range.startPage, range);
  });
  return (range) => byStart.get(range.startPage)?.equals(range) === true;
}
