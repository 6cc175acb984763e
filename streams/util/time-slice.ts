/**
 * Length of a time slice, in milliseconds: how long work runs before the event loop continues. The event loop must not be blocked for 10 ms, which
 * includes a garbage collection.
 */
const SLICE_MS = 2;

/** Steps between two checks of the clock. */
export const STEPS_PER_CLOCK_CHECK = 64;

/** Start of the current time slice; `undefined` before the first check of the clock in a turn of the event loop. */
let sliceStart: number | undefined;
/** Whether `endSlice` is scheduled for the next turn of the event loop. */
let isEndScheduled = false;
/** Steps since the last check of the clock. */
let stepCount = 0;
/** Whether work must not pause, because its result is needed synchronously. */
let isUnpaused = false;
/** Functions that resume paused work, in order. Each gets a time slice of its own. */
let waiting: (() => void)[] = [];

/**
 * Tells work whether it has to pause, so that it does not block the event loop. Must be called after each step.
 *
 * All work shares one time slice, so that a series of short pieces of work does not block the event loop either.
 *
 * @param done number of steps since the last call. A step is a call, or a change of a sorted map: 1000 steps take 1 ms at most. `LONG_STEP` for a
 * step that takes longer than a check of the clock
 * @returns if the time slice is over, a promise that resolves in the next one
 */
export function pauseIfOver(done = 1): Promise<void> | undefined {
  stepCount += done;
  return stepCount < STEPS_PER_CLOCK_CHECK || isUnpaused ? undefined : checkClock();
}

/** For a step that takes so long that the clock must be checked after it. */
export const LONG_STEP = STEPS_PER_CLOCK_CHECK;

function checkClock(): Promise<void> | undefined {
  stepCount = 0;
  const now = performance.now();
  if (sliceStart === undefined) {
    sliceStart = now;
    if (!isEndScheduled) {
      isEndScheduled = true;
      nextTurn(endSlice);
    }
  }
  if (now - sliceStart < SLICE_MS) {
    return undefined;
  }
  sliceStart = undefined;
  return nextSlice();
}

/** Ends the slice at the end of a turn: work in a later turn gets a new slice. */
function endSlice(): void {
  isEndScheduled = false;
  sliceStart = undefined;
}

/** A promise of a new slice, in a later turn of the event loop. */
function nextSlice(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) {
      nextTurn(resume);
    }
  });
}

function resume(): void {
  const [first, ...rest] = waiting;
  waiting = rest;
  if (rest.length > 0) {
    nextTurn(resume);
  }
  sliceStart = undefined;
  stepCount = 0;
  first?.();
}

/** Does work without pauses: inside it, `pauseIfOver` returns `undefined`. */
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
 * Does work in a new time slice: a short command is then done within the call, regardless of the work before it in the same turn of the event
 * loop.
 */
export function inOwnSlice<T>(work: () => T): T {
  const outer = sliceStart;
  sliceStart = undefined;
  stepCount = 0;
  try {
    return work();
  } finally {
    sliceStart = outer;
  }
}

/** Calls back in the next turn of the event loop. Uses `setImmediate` if there is one, because a timer waits for at least 1 ms. */
/* eslint-disable no-restricted-globals -- used only if it exists */
const nextTurn: (callback: () => void) => void =
  typeof setImmediate === 'function'
    ? (callback) => {
        setImmediate(callback);
      }
    : (callback) => {
        setTimeout(callback);
      };
/* eslint-enable no-restricted-globals */
