import type { Steps } from './coroutine.js';

/**
 * How long work goes on before the event loop has its turn, in milliseconds. The loop must never wait for ten, and a garbage collection may come
 * on top.
 */
const SLICE = 2;

/** Steps between two looks at the clock. */
const STEPS = 64;

/** When the slice of time that is under way began; `undefined` until the clock is looked at for the first time in a turn of the event loop. */
let began: number | undefined;
/** Whether the next turn will end the slice. */
let ending = false;
let steps = 0;
/** Whether somebody wants his result within the call, however long it takes. */
let isUnpaused = false;
/** Work that waits for the next slices, each for one of its own: first come, first served. */
let paused: (() => void)[] = [];

/**
 * Keeps long synchronous work from holding up the event loop: work asks after each step whether it has to pause.
 *
 * All work shares one slice of time, so that many short pieces of it, one after another, do not add up to a long one.
 *
 * @param done steps since it was asked last: calls, or changes of a sorted map, of which a thousand take a millisecond at most. `LONG_STEP` for
 * one that takes longer than looking at the clock
 * @returns a promise of the next slice when this one has lasted long enough
 */
export function pauseIfOver(done = 1): Promise<void> | undefined {
  steps += done;
  return steps < STEPS || isUnpaused ? undefined : lookAtClock();
}

/** A step that takes so long that the clock is to be looked at after each. */
export const LONG_STEP = STEPS;

function lookAtClock(): Promise<void> | undefined {
  steps = 0;
  const now = performance.now();
  if (began === undefined) {
    began = now;
    if (!ending) {
      ending = true;
      nextTurn(endSlice);
    }
  }
  if (now - began < SLICE) {
    return undefined;
  }
  began = undefined;
  return nextSlice();
}

/** Work that goes on in a later turn, for whatever reason, has a slice of its own. */
function endSlice(): void {
  ending = false;
  began = undefined;
}

/** A slice of its own, in a later turn of the event loop. */
function nextSlice(): Promise<void> {
  return new Promise((resolve) => {
    paused.push(resolve);
    if (paused.length === 1) {
      nextTurn(resume);
    }
  });
}

function resume(): void {
  const [first, ...rest] = paused;
  paused = rest;
  if (rest.length > 0) {
    nextTurn(resume);
  }
  began = undefined;
  steps = 0;
  first?.();
}

/** Does something without a pause: what is read must not take the turns of what waits. */
export function withoutPause<T>(work: () => T): T {
  const outer = isUnpaused;
  isUnpaused = true;
  try {
    return work();
  } finally {
    isUnpaused = outer;
  }
}

/**
 * Does what was asked for in the caller's own turn: a command that is short is done within the call, whatever the caller has done before in the
 * same turn of the event loop.
 */
export function inOwnSlice<T>(work: () => T): T {
  const outer = began;
  began = undefined;
  steps = 0;
  try {
    return work();
  } finally {
    began = outer;
  }
}

/** So many items at most are dealt with at once, without a generator. */
export const FEW = 256;

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

const NOTHING = new Done(undefined) as unknown as Steps<void>;

/** The result of something short that has been done within the call, so many steps. */
export function done<T>(value: T, taken: number): Steps<T> {
  const pause = pauseIfOver(taken);
  return pause === undefined ? (new Done(value) as unknown as Steps<T>) : doneAfter(pause, value);
}

function* doneAfter<T>(pause: Promise<void>, value: T): Steps<T> {
  yield pause;
  return value;
}

/**
 * Deals with the numbers from 0 up to and without `length`, some at a time, and lets the event loop go on in between and at the end: in place of
 * every loop that may be long. So a loop over something that calls it each time needs nothing else.
 *
 * @param work deals with those from `from` up to and without `to`
 */
export function inSlices(length: number, work: (from: number, to: number) => void): Steps<void> {
  if (length > FEW) {
    return slices(length, work);
  }
  // Most loops are short, and need no generator.
  work(0, length);
  const pause = pauseIfOver(Math.max(length, 1));
  return pause === undefined ? NOTHING : doneAfter(pause, undefined);
}

function* slices(length: number, work: (from: number, to: number) => void): Steps<void> {
  for (let from = 0; from < length; from += STEPS) {
    const to = Math.min(from + STEPS, length);
    work(from, to);
    const pause = pauseIfOver(to - from);
    if (pause !== undefined) {
      yield pause;
    }
  }
}

/** Where there is one, an immediate: a timer waits for a millisecond at least. */
/* eslint-disable no-restricted-globals -- looked for, not relied upon */
const nextTurn: (callback: () => void) => void =
  typeof setImmediate === 'function'
    ? (callback) => {
        setImmediate(callback);
      }
    : (callback) => {
        setTimeout(callback);
      };
/* eslint-enable no-restricted-globals */
