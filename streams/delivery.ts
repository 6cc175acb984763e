import { aftermathOf, stuckOf } from './aftermath.js';
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
  /** Whether it may be served beside its neighbours that say the same. */
  readonly concurrent: boolean;
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
  beforeRestore?(): Steps<void>;
}

/**
 * Delivers a set to all receivers: its unmaps in reverse order of the receivers, then its maps in their order. Neighbours that are
 * `concurrent` begin in that order, too, and are waited for together.
 *
 * A failed unmap stops nothing. The first failed map stops a forward set: what receivers had mapped is unmapped, newest first,
 * and what they had unmapped is mapped again. An inverse set is delivered to the end.
 */
export function* deliver(set: ChangeSet, receivers: readonly Receiver[], director: Director): Steps<Delivery> {
  const delivery = new Tally();
  if (set.unmaps.length > 0) {
    const step = set.maps.length === 0 ? set : { ...set, maps: [] };
    for (let end = receivers.length; end > 0;) {
      const start = groupBefore(receivers, end);
      const answers: (Outcome | Promise<Outcome>)[] = [];
      for (let index = end - 1; index >= start; index--) {
        answers.push((receivers[index] as Receiver).serve(step));
      }
      for (const answer of answers) {
        delivery.addUnmaps(isPromiseLike(answer) ? ((yield answer) as Outcome) : answer, step);
      }
      end = start;
    }
  }
  const pause = director.beforeMaps?.();
  if (pause !== undefined) {
    yield* pause;
  }
  if (set.maps.length > 0) {
    yield* deliverMaps(set, receivers, director, delivery);
  }
  return delivery;
}

function* deliverMaps(
  set: ChangeSet,
  receivers: readonly Receiver[],
  director: Director,
  delivery: Tally,
): Steps<void> {
  const step = set.unmaps.length === 0 ? set : { ...set, unmaps: [] };
  const mapped: Receiver[] = [];
  for (let start = 0; start < receivers.length;) {
    const end = groupFrom(receivers, start);
    const answers = startMaps(receivers, start, end, step);
    for (let index = 0; index < answers.length; index++) {
      const receiver = receivers[start + index] as Receiver;
      const answer = answers[index] as Outcome | Promise<Outcome>;
      const outcome = isPromiseLike(answer) ? ((yield answer) as Outcome) : answer;
      delivery.add(outcome);
      const { error } = outcome;
      const failed = outcome.status !== 'applied' && error !== undefined;
      if (failed && set.undo === true) {
        delivery.restoreError ??= error;
      } else if (failed) {
        delivery.failure ??= failureOf(outcome, error);
      }
      // One that failed has undone its part itself, unless it broke while it was at it.
      if (!failed || receiver.broken !== undefined) {
        mapped.push(receiver);
      }
    }
    if (delivery.failure !== undefined) {
      yield* undo(set, mapped, receivers, director, delivery);
      return;
    }
    start = end;
  }
}

/** Hands the maps to each of a group; none is begun after one that has failed already. */
function startMaps(
  receivers: readonly Receiver[],
  start: number,
  end: number,
  step: ChangeSet,
): (Outcome | Promise<Outcome>)[] {
  const answers: (Outcome | Promise<Outcome>)[] = [];
  for (let index = start; index < end; index++) {
    const answer = (receivers[index] as Receiver).serve(step);
    answers.push(answer);
    if (!isPromiseLike(answer) && answer.status === 'failed' && step.undo !== true) {
      break;
    }
  }
  return answers;
}

/** Where the neighbours end that may be served together with the receiver at `start`. */
function groupFrom(receivers: readonly Receiver[], start: number): number {
  let end = start + 1;
  if (receivers[start]?.concurrent === true) {
    while (receivers[end]?.concurrent === true) {
      end += 1;
    }
  }
  return end;
}

/** The same, looking back from the receiver before `end`. */
function groupBefore(receivers: readonly Receiver[], end: number): number {
  let start = end - 1;
  if (receivers[start]?.concurrent === true) {
    while (receivers[start - 1]?.concurrent === true) {
      start -= 1;
    }
  }
  return start;
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
    delivery.add(yield* settled(receiver.serve(inverse(set.generation, unmaps, []))));
  }
  if (set.unmaps.length > 0) {
    yield* director.beforeRestore?.() ?? NONE;
    const maps = director.unmapped();
    for (const receiver of all) {
      delivery.add(yield* settled(receiver.serve(inverse(set.generation, [], maps))));
    }
    // Where the unmap had failed, the mapping is simply back.
    delivery.stuck = delivery.stuck.filter((at) => all.some((receiver) => receiver.isStuck(at)));
  }
}

/** What goes on as long as nothing fails. */
export function forward(generation: number, unmaps: ChangeSet['unmaps'], maps: readonly MapChange[]): ChangeSet {
  return { generation, snapshot: false, unmaps, maps };
}

/** What mends: served to its end, past failures. */
export function inverse(generation: number, unmaps: ChangeSet['unmaps'], maps: readonly MapChange[]): ChangeSet {
  return { ...forward(generation, unmaps, maps), undo: true };
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
  skipped: readonly DmaError[] = NONE;
  undone: readonly TargetRange[] = NONE;
  stuck: readonly TargetRange[] = NONE;
  missing: readonly TargetRange[] = NONE;

  add(outcome: Outcome): void {
    this.skipped = joined(this.skipped, outcome.skipped);
    const { undone, missing } = aftermathOf(outcome);
    this.undone = joined(this.undone, undone);
    this.missing = joined(this.missing, missing);
    this.stuck = joined(this.stuck, stuckOf(outcome));
  }

  addUnmaps(outcome: Outcome, set: ChangeSet): void {
    this.add(outcome);
    if (outcome.status === 'failed' && outcome.error !== undefined) {
      this.unmapError ??= outcome.error;
      if (stuckOf(outcome) === undefined) {
        // It does not say what is stuck: all that it was told to unmap may be.
        const covers = set.unmaps.flatMap((unmap) => unmap.covers);
        this.stuck = joined(
          this.stuck,
          covers.map((range) => ({ target: outcome.target, range })),
        );
      }
    }
  }
}

/** Most deliveries have nothing to tell. */
const NONE: readonly never[] = Object.freeze([]);

function joined<T>(list: readonly T[], more: readonly T[] | undefined): readonly T[] {
  return more === undefined || more.length === 0 ? list : list.length === 0 ? more : [...list, ...more];
}
