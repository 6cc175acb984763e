import type { Coroutine } from './coroutine.js';
import { STEPS_PER_CLOCK_CHECK, pauseIfOver } from './time-slice.js';

/** Limit of items that are processed without a pause, and without a generator. */
export const ITEMS_AT_ONCE_MAX = 256;

/** A coroutine that has ended, with its result. Several times as fast as a generator. */
class Done<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  next(): IteratorReturnResult<T> {
    return { done: true, value: this.#value };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

const DONE_WITHOUT_RESULT = new Done(undefined) as unknown as Coroutine<void>;

/** A coroutine for the result of work that was done synchronously. Pauses first if the time slice is over. */
export function done<T>(value: T, steps: number): Coroutine<T> {
  const pause = pauseIfOver(steps);
  return pause === undefined ? (new Done(value) as unknown as Coroutine<T>) : doneAfter(pause, value);
}

function* doneAfter<T>(pause: Promise<void>, value: T): Coroutine<T> {
  yield pause;
  return value;
}

/**
 * Processes the indexes from 0 up to (not including) `length` in slices. Pauses for the event loop between the slices and at the end, if the time
 * slice is over. Replaces each loop that may be long.
 *
 * @param work processes the indexes from `from` up to (not including) `to`
 */
export function inSlices(length: number, work: (from: number, to: number) => void): Coroutine<void> {
  if (length > ITEMS_AT_ONCE_MAX) {
    return slices(length, work);
  }
  // Most loops are short.
  work(0, length);
  const pause = pauseIfOver(Math.max(length, 1));
  return pause === undefined ? DONE_WITHOUT_RESULT : doneAfter(pause, undefined);
}

function* slices(length: number, work: (from: number, to: number) => void): Coroutine<void> {
  for (let from = 0; from < length; from += STEPS_PER_CLOCK_CHECK) {
    const to = Math.min(from + STEPS_PER_CLOCK_CHECK, length);
    work(from, to);
    const pause = pauseIfOver(to - from);
    if (pause !== undefined) {
      yield pause;
    }
  }
}
