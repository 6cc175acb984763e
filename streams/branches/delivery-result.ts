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
  /** The receivers that hold maps of the set, in order. */
  mapped: readonly Receiver[] = EMPTY_LIST;
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

  /** Adds an outcome of the maps. Adds the receiver to `mapped` when it may hold some of them. */
  addMaps(outcome: Outcome, receiver: Receiver, set: ChangeSet): Coroutine<void> | undefined {
    this.add(outcome);
    const { error } = outcome;
    const failed = outcome.status !== 'applied' && error !== undefined;
    if (failed && set.undo === true) {
      this.restoreError ??= error;
    } else if (failed) {
      this.failure ??= failureOf(outcome, error);
    }
    // A receiver that failed has undone its own maps, unless it broke in the middle, or reported a failure that its
    // targets do not confirm.
    if (failed && receiver.broken === undefined) {
      return this.#addIfHolding(receiver, set.maps);
    }
    this.mapped = concatenate(this.mapped, [receiver]);
    return undefined;
  }

  *#addIfHolding(receiver: Receiver, maps: readonly MapChange[]): Coroutine<void> {
    if (yield* holdsAny(receiver, maps)) {
      this.mapped = concatenate(this.mapped, [receiver]);
    }
  }

  /** Adds an outcome of the unmaps. */
  addUnmaps(outcome: Outcome, receiver: Receiver, set: ChangeSet): Coroutine<void> | undefined {
    this.add(outcome);
    if (outcome.status !== 'failed' || outcome.error === undefined) {
      return undefined;
    }
    this.unmapError ??= outcome.error;
    return stuckOf(outcome) === undefined ? this.#addAssumedStuck(outcome.target, receiver, set) : undefined;
  }

  /** The outcome does not name the stuck mappings: looks them up. */
  *#addAssumedStuck(target: string, receiver: Receiver, set: ChangeSet): Coroutine<void> {
    const covers = yield* joinInSlices(yield* mapInSlices(set.unmaps, (unmap) => unmap.covers));
    this.stuck = concatenate(this.stuck, yield* stuckAmong(receiver, covers, target));
  }
}

/** Whether a ledger of the receiver lists one of these maps. */
function* holdsAny({ ports }: Receiver, maps: readonly MapChange[]): Coroutine<boolean> {
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
