import { stuckOf } from '../changes/outcomes.js';
import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices, filterInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import type { Receiver } from './receiver.js';

/** A map that failed, and its target. */
export interface MapFailure {
  readonly error: DmaError;
  readonly target: string;
  readonly region?: string | undefined;
  readonly range?: MemoryRange | undefined;
}

/** The result of a set at all receivers. */
export interface Delivery {
  /** The map that failed. The set has then been undone at all receivers. */
  readonly failure?: MapFailure;
  /** The error of the first failed unmap. It did not stop the set. */
  readonly unmapError?: DmaError;
  /** The error of the first failed map of an inverse set. It did not stop the set. */
  readonly restoreError?: DmaError;
  readonly skipped: readonly DmaError[];
  readonly undone: readonly TargetRange[];
  readonly stuck: readonly TargetRange[];
  readonly missing: readonly TargetRange[];
}

/** The result of a set that was done everywhere, without anything to report. */
export const NOTHING_TO_REPORT: Delivery = {
  skipped: EMPTY_LIST,
  undone: EMPTY_LIST,
  stuck: EMPTY_LIST,
  missing: EMPTY_LIST,
};

/** The map that failed with `error`, as far as the outcome names it. */
export function failureOf(outcome: Outcome, error: DmaError): MapFailure {
  const { failedAt } = outcome;
  return { error, target: failedAt?.target ?? outcome.target, region: failedAt?.region, range: failedAt?.range };
}

/** Collects the outcomes of a set at all receivers. */
export class DeliveryResult implements Delivery {
  declare failure?: MapFailure;
  declare unmapError?: DmaError;
  declare restoreError?: DmaError;
  skipped: readonly DmaError[] = EMPTY_LIST;
  undone: readonly TargetRange[] = EMPTY_LIST;
  stuck: readonly TargetRange[] = EMPTY_LIST;
  missing: readonly TargetRange[] = EMPTY_LIST;

  /** Adds the lists of an outcome. */
  add(outcome: Outcome): void {
    this.skipped = concatenate(this.skipped, outcome.skipped);
    this.undone = concatenate(this.undone, outcome.undone);
    this.missing = concatenate(this.missing, outcome.missing);
    this.stuck = concatenate(this.stuck, stuckOf(outcome));
  }

  /** Adds an outcome of the maps. */
  addMaps(outcome: Outcome, set: ChangeSet): void {
    this.add(outcome);
    const { error } = outcome;
    if (outcome.status === 'applied' || error === undefined) {
      return;
    }
    if (set.undo === true) {
      this.restoreError ??= error;
    } else {
      this.failure ??= failureOf(outcome, error);
    }
  }

  /** Adds an outcome of the unmaps. */
  *addUnmaps(outcome: Outcome, receiver: Receiver, set: ChangeSet): Coroutine<void> {
    this.add(outcome);
    if (outcome.status !== 'failed' || outcome.error === undefined) {
      return;
    }
    this.unmapError ??= outcome.error;
    if (stuckOf(outcome) === undefined) {
      yield* this.#addAssumedStuck(outcome.target, receiver, set);
    }
  }

  /** The outcome does not name the stuck mappings: looks them up. */
  *#addAssumedStuck(target: string, receiver: Receiver, set: ChangeSet): Coroutine<void> {
    const covers = yield* joinInSlices(yield* mapInSlices(set.unmaps, (unmap) => unmap.covers));
    this.stuck = concatenate(this.stuck, yield* stuckAmong(receiver, covers, target));
  }
}

/** Whether a target of the receiver holds one of these maps, by its ledger. */
export function* holdsAny({ ports }: Receiver, maps: readonly MapChange[]): Coroutine<boolean> {
  for (const { ledger } of ports) {
    yield* ledger.materialize();
    if ((yield* filterInSlices(maps, (change) => ledger.holds(change))).length > 0) {
      return true;
    }
  }
  return false;
}

/** The ranges that are stuck by the ledgers of the receiver; all of them when it has no known ledger. */
function* stuckAmong(
  { ports }: Receiver,
  ranges: readonly MemoryRange[],
  target: string,
): Coroutine<readonly TargetRange[]> {
  if (ports.length === 0) {
    return yield* mapInSlices(ranges, (range) => ({ target, range }));
  }
  const stuck: TargetRange[] = [];
  for (const { name, ledger } of ports) {
    yield* eachInSlices(ranges, (range) => {
      if (ledger.stuck.at(range) !== undefined) {
        stuck.push({ target: name, range });
      }
    });
  }
  return stuck;
}

/** Both lists in one; no copy is made when one of them is empty. */
function concatenate<T>(list: readonly T[], more: readonly T[] | undefined): readonly T[] {
  return more === undefined || more.length === 0 ? list : list.length === 0 ? more : [...list, ...more];
}
