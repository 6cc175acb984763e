import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { hasUnmaps, mapStep, unmapOf, unmapsOfSet, unmapStep } from '../changes/managed-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { stuckOf } from '../changes/outcomes.js';
import { eachInSlices, filterInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import { isPromiseLike, waitFor, type Coroutine } from '../util/coroutine.js';
import type { TargetPort } from '../target/target-port.js';

/** Somewhere a set can be delivered to: a branch, or an attachment. */
export interface Receiver {
  serve(set: ChangeSet): Outcome | Promise<Outcome>;
  /** Why it can serve no more maps. */
  readonly broken: DmaError | undefined;
  /** Whether exactly this range is stuck at the target of this name. */
  isStuck(at: TargetRange): boolean;
  /** The targets behind it, as far as they are known. */
  readonly ports: readonly TargetPort[];
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
export interface DeliveryHooks {
  /** The mappings that the set unmaps, ascending: what an undo puts back. Asked for only then. */
  unmapped(): Coroutine<readonly MapChange[]>;
  /** After the unmaps, at every receiver; before the maps. */
  beforeMaps?(): Coroutine<void> | undefined;
  /** After the maps have been taken back; before the unmaps are put back. */
  beforeRestore?(): Coroutine<void>;
}

/**
 * Delivers a set to all receivers: its unmaps in reverse order of the receivers, then its maps in their order. Neighbours that are
 * `concurrent` begin in that order, too, and are waited for together.
 *
 * A failed unmap stops nothing. The first failed map stops a forward set: what receivers had mapped is unmapped, newest first,
 * and what they had unmapped is mapped again. An inverse set is delivered to the end.
 */
export function* deliver(set: ChangeSet, receivers: readonly Receiver[], director: DeliveryHooks): Coroutine<Delivery> {
  const delivery = new DeliveryResult();
  if (hasUnmaps(set)) {
    const step = unmapStep(set);
    for (let end = receivers.length; end > 0;) {
      const start = groupBefore(receivers, end);
      const answers = startUnmaps(receivers, start, end, step);
      for (let index = 0; index < answers.length; index++) {
        const answer = answers[index] as Outcome | Promise<Outcome>;
        const outcome = isPromiseLike(answer) ? ((yield answer) as Outcome) : answer;
        const noting = delivery.addUnmaps(outcome, receivers[end - 1 - index] as Receiver, step);
        if (noting !== undefined) {
          yield* noting;
        }
      }
      end = start;
    }
  }
  const pause = director.beforeMaps?.();
  if (pause !== undefined) {
    yield* pause;
  }
  const mapsAlone = mapStep(set);
  for (let start = 0; start < receivers.length && set.maps.length > 0;) {
    const end = groupFrom(receivers, start);
    const answers = startMaps(receivers, start, end, mapsAlone);
    for (let index = 0; index < answers.length; index++) {
      const answer = answers[index] as Outcome | Promise<Outcome>;
      const outcome = isPromiseLike(answer) ? ((yield answer) as Outcome) : answer;
      const noting = delivery.addMaps(outcome, receivers[start + index] as Receiver, set);
      if (noting !== undefined) {
        yield* noting;
      }
    }
    if (delivery.failure !== undefined) {
      yield* undo(set, receivers, director, delivery);
      break;
    }
    start = end;
  }
  return delivery;
}

/** Hands the unmaps to each of a group, the last one first. */
function startUnmaps(
  receivers: readonly Receiver[],
  start: number,
  end: number,
  step: ChangeSet,
): (Outcome | Promise<Outcome>)[] {
  const answers = [(receivers[end - 1] as Receiver).serve(step)];
  for (let index = end - 2; index >= start; index--) {
    answers.push((receivers[index] as Receiver).serve(step));
  }
  return answers;
}

/** Hands the maps to each of a group; none is begun after one that has failed already. */
function startMaps(
  receivers: readonly Receiver[],
  start: number,
  end: number,
  step: ChangeSet,
): (Outcome | Promise<Outcome>)[] {
  let last = (receivers[start] as Receiver).serve(step);
  const answers = [last];
  for (let index = start + 1; index < end && !hasFailed(last, step); index++) {
    last = (receivers[index] as Receiver).serve(step);
    answers.push(last);
  }
  return answers;
}

/** Whether it has failed already, and ends the set. */
function hasFailed(answer: Outcome | Promise<Outcome>, step: ChangeSet): boolean {
  return !isPromiseLike(answer) && answer.status === 'failed' && step.undo !== true;
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
  all: readonly Receiver[],
  director: DeliveryHooks,
  delivery: DeliveryResult,
): Coroutine<void> {
  const unmaps = yield* mapInSlices(set.maps.toReversed(), unmapOf);
  for (const receiver of delivery.mapped.toReversed()) {
    delivery.add(yield* waitFor(receiver.serve(inverse(set.generation, unmaps, []))));
  }
  if (hasUnmaps(set)) {
    yield* director.beforeRestore?.() ?? NONE;
    const maps = yield* director.unmapped();
    for (const receiver of all) {
      delivery.add(yield* waitFor(receiver.serve(inverse(set.generation, [], maps))));
    }
    // Where the unmap had failed, the mapping is simply back.
    delivery.stuck = yield* filterInSlices(delivery.stuck, (at) => all.some((receiver) => receiver.isStuck(at)));
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
  const { failedAt } = outcome;
  return { error, target: failedAt?.target ?? outcome.target, region: failedAt?.region, range: failedAt?.range };
}

class DeliveryResult implements Delivery {
  declare failure?: MapFailure;
  declare unmapError?: DmaError;
  declare restoreError?: DmaError;
  /** Who has the maps. */
  mapped: readonly Receiver[] = NONE;
  skipped: readonly DmaError[] = NONE;
  undone: readonly TargetRange[] = NONE;
  stuck: readonly TargetRange[] = NONE;
  missing: readonly TargetRange[] = NONE;

  add(outcome: Outcome): void {
    this.skipped = joined(this.skipped, outcome.skipped);
    this.undone = joined(this.undone, outcome.undone);
    this.missing = joined(this.missing, outcome.missing);
    this.stuck = joined(this.stuck, stuckOf(outcome));
  }

  /** Also notes who would have to take the maps back. */
  addMaps(outcome: Outcome, receiver: Receiver, set: ChangeSet): Coroutine<void> | undefined {
    this.add(outcome);
    const { error } = outcome;
    const failed = outcome.status !== 'applied' && error !== undefined;
    if (failed && set.undo === true) {
      this.restoreError ??= error;
    } else if (failed) {
      this.failure ??= failureOf(outcome, error);
    }
    // One that failed has undone its part itself, unless it broke while it was at it, or says so of a target that did not fail.
    if (failed && receiver.broken === undefined) {
      return this.#noteIfHolding(receiver, set.maps);
    }
    this.mapped = joined(this.mapped, [receiver]);
    return undefined;
  }

  *#noteIfHolding(receiver: Receiver, maps: readonly MapChange[]): Coroutine<void> {
    if (yield* holdsAny(receiver, maps)) {
      this.mapped = joined(this.mapped, [receiver]);
    }
  }

  addUnmaps(outcome: Outcome, receiver: Receiver, set: ChangeSet): Coroutine<void> | undefined {
    this.add(outcome);
    if (outcome.status !== 'failed' || outcome.error === undefined) {
      return undefined;
    }
    this.unmapError ??= outcome.error;
    return stuckOf(outcome) === undefined ? this.#suspectAll(outcome.target, receiver, set) : undefined;
  }

  /** A target that failed does not say what is stuck: all that it was told to unmap may be. */
  *#suspectAll(target: string, receiver: Receiver, set: ChangeSet): Coroutine<void> {
    const covers = yield* joinInSlices(yield* mapInSlices(yield* unmapsOfSet(set), (unmap) => unmap.covers));
    this.stuck = joined(this.stuck, yield* stuckAmong(receiver, covers, target));
  }
}

/** Whether a target holds one of these maps, whatever the outcome says. */
function* holdsAny({ ports }: Receiver, maps: readonly MapChange[]): Coroutine<boolean> {
  for (const { ledger } of ports) {
    if ((yield* filterInSlices(maps, (change) => ledger.holds(change))).length > 0) {
      return true;
    }
  }
  return false;
}

/** Which of these ranges are stuck, where the outcome does not say: by the targets themselves, or all where none is known. */
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
      if (ledger.isStuck(range)) {
        stuck.push({ target: name, range });
      }
    });
  }
  return stuck;
}

/** Most deliveries have nothing to tell. */
const NONE: readonly never[] = Object.freeze([]);

function joined<T>(list: readonly T[], more: readonly T[] | undefined): readonly T[] {
  return more === undefined || more.length === 0 ? list : list.length === 0 ? more : [...list, ...more];
}
