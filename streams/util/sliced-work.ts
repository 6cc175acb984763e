import type { Coroutine } from './coroutine.js';
import { STEPS_PER_CLOCK_CHECK, pauseIfOver } from './time-slice.js';

/** So many items at most are dealt with at once, without a generator. */
export const ITEMS_AT_ONCE_MAX = 256;

/** Steps that are done: there is only their result. A generator for the same would take several times as long. */
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

/** The result of something short that has been done within the call, so many steps. */
export function done<T>(value: T, taken: number): Coroutine<T> {
  const pause = pauseIfOver(taken);
  return pause === undefined ? (new Done(value) as unknown as Coroutine<T>) : doneAfter(pause, value);
}

function* doneAfter<T>(pause: Promise<void>, value: T): Coroutine<T> {
  yield pause;
  return value;
}

/**
 * Deals with the numbers from 0 up to and without `length`, some at a time, and lets the event loop go on in between and at the end: in place of
 * every loop that may be long. So a loop over something that calls it each time needs nothing else.
 *
 * @param work deals with those from `from` up to and without `to`
 */
export function inSlices(length: number, work: (from: number, to: number) => void): Coroutine<void> {
  if (length > ITEMS_AT_ONCE_MAX) {
    return slices(length, work);
  }
  // Most loops are short, and need no generator.
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
