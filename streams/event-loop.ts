/**
 * Work goes on for so long before others have their turn, in milliseconds. The event loop is never to wait for ten, and a collection of what
 * the work has made may come on top.
 */
const TURN = 2;

/** Steps between two looks at the clock, of short ones. */
const STEPS = 64;

/** Keeps long synchronous work from holding up the event loop: work asks after each step whether it has to pause. */
export class Turn {
  readonly #stepsToLook: number;
  #steps = 0;
  #since: number | undefined = undefined;

  /** @param stepsToLook between two looks at the clock, which are not to take longer than the work */
  constructor(stepsToLook = STEPS) {
    this.#stepsToLook = stepsToLook;
  }

  /** A promise of the next turn, when this one has lasted long enough. */
  pause(): Promise<void> | undefined {
    if (++this.#steps % this.#stepsToLook !== 0) {
      return undefined;
    }
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since < TURN) {
      return undefined;
    }
    this.#since = undefined;
    return new Promise(nextTurn);
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
