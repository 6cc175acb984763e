import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import { mapStep, unmapOf, unmapStep, inverse } from '../changes/managed-set.js';
import { filterInSlices, mapInSlices } from '../ranges/slices.js';
import { type Coroutine, isPromiseLike, waitFor } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { DeliveryResult, holdsAny, NOTHING_TO_REPORT, type Delivery } from './delivery-result.js';
import type { Receiver, DeliveryHooks } from './receiver.js';

/**
 * Delivers a set to all receivers: its unmaps in reverse order of the receivers, then its maps in their order. Adjacent
 * receivers that are `concurrent` are started in the same order and served at the same time.
 *
 * A failed unmap does not stop the set. The first failed map stops a forward set and undoes it: the maps of the set are
 * unmapped, newest first, then the mappings that it had unmapped are mapped again. An inverse set is delivered to the
 * end, past failures.
 */
export function* deliver(set: ChangeSet, receivers: readonly Receiver[], hooks: DeliveryHooks): Coroutine<Delivery> {
  let result: DeliveryResult | undefined;
  if (set.unmaps.length > 0) {
    const step = unmapStep(set);
    for (let end = receivers.length; end > 0;) {
      const start = groupBefore(receivers, end);
      const answers = startUnmaps(receivers, start, end, step);
      for (let index = 0; index < answers.length; index++) {
        const answer = answers[index] as Outcome | Promise<Outcome>;
        const outcome = isPromiseLike(answer) ? ((yield answer) as Outcome) : answer;
        if (!isPlain(outcome)) {
          yield* (result ??= new DeliveryResult()).addUnmaps(outcome, receivers[end - 1 - index] as Receiver, step);
        }
      }
      end = start;
    }
  }
  const pause = hooks.beforeMaps?.();
  if (pause !== undefined) {
    yield* pause;
  }
  if (set.maps.length > 0) {
    const step = mapStep(set);
    for (let start = 0; start < receivers.length;) {
      const end = groupFrom(receivers, start);
      const answers = startMaps(receivers, start, end, step);
      for (let index = 0; index < answers.length; index++) {
        const answer = answers[index] as Outcome | Promise<Outcome>;
        const outcome = isPromiseLike(answer) ? ((yield answer) as Outcome) : answer;
        answers[index] = outcome;
        if (!isPlain(outcome)) {
          (result ??= new DeliveryResult()).addMaps(outcome, set);
        }
      }
      if (result?.failure !== undefined) {
        yield* undo(set, receivers, yield* holdersOf(set, receivers, start, answers as Outcome[]), hooks, result);
        break;
      }
      start = end;
    }
  }
  return result ?? NOTHING_TO_REPORT;
}

/** Whether everything of a step was done, and nothing else. */
function isPlain({ status, skipped, undone, stuck, missing }: Outcome): boolean {
  return (
    status === 'applied' && skipped.length === 0 && undone === undefined && stuck === undefined && missing === undefined
  );
}

/** The receivers that may hold maps of the set, in order: those before `start`, and some of those that have answered after it. */
function* holdersOf(
  { maps }: ChangeSet,
  receivers: readonly Receiver[],
  start: number,
  outcomes: readonly Outcome[],
): Coroutine<readonly Receiver[]> {
  const holders = receivers.slice(0, start);
  for (const [index, { status, error }] of outcomes.entries()) {
    const receiver = receivers[start + index] as Receiver;
    // A receiver that failed has undone its own maps, unless it broke in the middle, or reported a failure that its
    // targets do not confirm.
    const hasUndone = status === 'failed' && error !== undefined && receiver.broken === undefined;
    if (!hasUndone || (yield* holdsAny(receiver, maps))) {
      holders.push(receiver);
    }
  }
  return holders;
}

/** Starts the unmaps at each receiver of a group, in reverse order. Returns the answers in that order. */
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

/** Starts the maps at each receiver of a group, in order. Stops after the first one that fails within the call. */
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

/** Whether the answer is a failure already, and stops the set. */
function hasFailed(answer: Outcome | Promise<Outcome>, step: ChangeSet): boolean {
  return !isPromiseLike(answer) && answer.status === 'failed' && step.undo !== true;
}

/** The end of the group of receivers that begins at `start` and may be served at the same time. */
function groupFrom(receivers: readonly Receiver[], start: number): number {
  let end = start + 1;
  if (receivers[start]?.concurrent === true) {
    while (receivers[end]?.concurrent === true) {
      end += 1;
    }
  }
  return end;
}

/** The start of the group that ends before `end`. */
function groupBefore(receivers: readonly Receiver[], end: number): number {
  let start = end - 1;
  if (receivers[start]?.concurrent === true) {
    while (receivers[start - 1]?.concurrent === true) {
      start -= 1;
    }
  }
  return start;
}

/**
 * Unmaps the maps of the set at the receivers that hold them, newest first; then restores the unmapped mappings at all
 * receivers.
 */
function* undo(
  set: ChangeSet,
  all: readonly Receiver[],
  holders: readonly Receiver[],
  hooks: DeliveryHooks,
  delivery: DeliveryResult,
): Coroutine<void> {
  const unmaps = yield* mapInSlices(set.maps.toReversed(), unmapOf);
  for (const receiver of holders.toReversed()) {
    delivery.add(yield* waitFor(receiver.serve(inverse(set.generation, unmaps, []))));
  }
  if (set.unmaps.length > 0) {
    yield* hooks.beforeRestore?.() ?? EMPTY_LIST;
    const maps = yield* hooks.unmapped();
    for (const receiver of all) {
      delivery.add(yield* waitFor(receiver.serve(inverse(set.generation, [], maps))));
    }
    // A mapping whose unmap had failed counts as restored.
    delivery.stuck = yield* filterInSlices(delivery.stuck, (at) => all.some((receiver) => receiver.isStuck(at)));
  }
}
