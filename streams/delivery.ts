import { aftermathOf, stuckOf } from './aftermath.js';
import { append } from './append.js';
import type { ChangeSet, MapChange, Outcome, UnmapChange } from './change-set.js';
import type { DmaError, TargetRange } from './errors.js';
import type { MemoryRange } from './memory-range.js';
import { isPromiseLike, settled, type Steps } from './steps.js';

/** Somewhere a set can be delivered to: a branch, or an attachment. */
export interface Receiver {
  serve(set: ChangeSet): Outcome | Promise<Outcome>;
  /** Why it can serve no more maps. */
  readonly broken: DmaError | undefined;
  /** Whether exactly this range is stuck at the target of this name. */
  isStuck(at: TargetRange): boolean;
}

/** Which map failed where. */
export interface MapFailure {
  readonly error: DmaError;
  readonly target: string;
  readonly region?: string | undefined;
  readonly range?: MemoryRange | undefined;
}

/** What became of a set at all receivers. */
export interface Delivery {
  /** Why the maps failed, and at which target. Everything has been undone then. */
  readonly failure?: MapFailure;
  /** The first failed unmap. Everything else went on. */
  readonly unmapError?: DmaError;
  /** The first map of an inverse set that failed. Everything else went on. */
  readonly restoreError?: DmaError;
  readonly skipped: readonly DmaError[];
  readonly undone: readonly TargetRange[];
  readonly stuck: readonly TargetRange[];
  readonly missing: readonly TargetRange[];
}

/** What whoever delivers has to do besides. */
export interface Director {
  /** The mappings that the set unmaps, ascending: what an undo puts back. Asked for only then. */
  unmapped(): readonly MapChange[];
  /** After the unmaps, at every receiver; before the maps. */
  beforeMaps?(): Steps<void> | undefined;
  /** After the maps have been taken back; before the unmaps are put back. */
  beforeRestore?(): void;
}

/**
 * Delivers a set to all receivers: its unmaps in reverse order of the receivers, then its maps in their order.
 *
 * A failed unmap stops nothing. The first failed map stops a forward set: what receivers had mapped is unmapped, newest first,
 * and what they had unmapped is mapped again. An inverse set is delivered to the end.
 */
export function* deliver(set: ChangeSet, receivers: readonly Receiver[], director: Director): Steps<Delivery> {
  const delivery = new Tally();
  if (set.unmaps.length > 0) {
    const step = set.maps.length === 0 ? set : { ...set, maps: [] };
    for (let index = receivers.length - 1; index >= 0; index--) {
      const answer = (receivers[index] as Receiver).serve(step);
      delivery.addUnmaps(isPromiseLike(answer) ? ((yield answer) as Outcome) : answer, step);
    }
  }
  const pause = director.beforeMaps?.();
  if (pause !== undefined) {
    yield* pause;
  }
  if (set.maps.length === 0) {
    return delivery;
  }
  const step = set.unmaps.length === 0 ? set : { ...set, unmaps: [] };
  for (let index = 0; index < receivers.length; index++) {
    const answer = (receivers[index] as Receiver).serve(step);
    const outcome = isPromiseLike(answer) ? ((yield answer) as Outcome) : answer;
    delivery.add(outcome);
    if (outcome.status === 'applied' || outcome.error === undefined) {
      continue;
    }
    if (set.undo === true) {
      delivery.restoreError ??= outcome.error;
      continue;
    }
    delivery.failure = failureOf(outcome, outcome.error);
    // The one that failed has undone its part itself, unless it broke while it was at it.
    const served = receivers[index]?.broken === undefined ? index : index + 1;
    yield* undo(set, receivers.slice(0, served), receivers, director, delivery);
    break;
  }
  return delivery;
}

/** Takes the maps back at those that have them, newest first, then puts the unmaps back at all. */
function* undo(
  set: ChangeSet,
  mapped: readonly Receiver[],
  all: readonly Receiver[],
  director: Director,
  delivery: Tally,
): Steps<void> {
  const unmaps = set.maps.toReversed().map(unmapOf);
  for (const receiver of mapped.toReversed()) {
    delivery.add(yield* settled(receiver.serve(inverse(set, unmaps, []))));
  }
  if (set.unmaps.length > 0) {
    director.beforeRestore?.();
    const maps = director.unmapped();
    for (const receiver of all) {
      delivery.add(yield* settled(receiver.serve(inverse(set, [], maps))));
    }
    // Where the unmap had failed, the mapping is simply back.
    delivery.stuck = delivery.stuck.filter((at) => all.some((receiver) => receiver.isStuck(at)));
  }
}

function inverse(set: ChangeSet, unmaps: readonly UnmapChange[], maps: readonly MapChange[]): ChangeSet {
  return { generation: set.generation, snapshot: false, undo: true, unmaps, maps };
}

export function failureOf(outcome: Outcome, error: DmaError): MapFailure {
  const { failedAt } = aftermathOf(outcome);
  return { error, target: failedAt?.target ?? outcome.target, region: failedAt?.region, range: failedAt?.range };
}

/** The unmap that ends exactly this mapping. */
export function unmapOf({ range, region, type }: MapChange): UnmapChange {
  return { range, region, type, covers: [range] };
}

class Tally implements Delivery {
  declare failure?: MapFailure;
  declare unmapError?: DmaError;
  declare restoreError?: DmaError;
  readonly skipped: DmaError[] = [];
  readonly undone: TargetRange[] = [];
  stuck: TargetRange[] = [];
  readonly missing: TargetRange[] = [];

  add(outcome: Outcome): void {
    const { undone, missing } = aftermathOf(outcome);
    append(this.skipped, outcome.skipped);
    append(this.undone, undone);
    append(this.stuck, stuckOf(outcome));
    append(this.missing, missing);
  }

  addUnmaps(outcome: Outcome, set: ChangeSet): void {
    this.add(outcome);
    if (outcome.status === 'failed' && outcome.error !== undefined) {
      this.unmapError ??= outcome.error;
      if (stuckOf(outcome) === undefined) {
        // It does not say what is stuck: all that it was told to unmap may be.
        const covers = set.unmaps.flatMap((unmap) => unmap.covers);
        append(
          this.stuck,
          covers.map((range) => ({ target: outcome.target, range })),
        );
      }
    }
  }
}
