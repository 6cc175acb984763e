/**
 * How long work goes on before the event loop has its turn, in milliseconds. The loop must never wait for ten, and a garbage collection may come
 * on top.
 */
const SLICE_MS = 2;

/** Steps between two looks at the clock. */
export const STEPS_PER_CLOCK_CHECK = 64;

/** When the slice of time that is under way began; `undefined` until the clock is looked at for the first time in a turn of the event loop. */
let sliceStart: number | undefined;
/** Whether the next turn will end the slice. */
let isEndScheduled = false;
let stepCount = 0;
/** Whether somebody wants his result within the call, however long it takes. */
let isUnpaused = false;
/** Work that waits for the next slices, each for one of its own: first come, first served. */
let waiting: (() => void)[] = [];

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
  stepCount += done;
  return stepCount < STEPS_PER_CLOCK_CHECK || isUnpaused ? undefined : checkClock();
}

/** A step that takes so long that the clock is to be looked at after each. */
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

/** Work that goes on in a later turn, for whatever reason, has a slice of its own. */
function endSlice(): void {
  isEndScheduled = false;
  sliceStart = undefined;
}

/** A slice of its own, in a later turn of the event loop. */
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
  const outer = sliceStart;
  sliceStart = undefined;
  stepCount = 0;
  try {
    return work();
  } finally {
    sliceStart = outer;
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
