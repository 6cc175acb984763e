import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import type { Onlooking } from '../../../streams/internal.js';

/** How long one slice of work takes about, in milliseconds. */
const SLICE_MS = 2;
/** How long a slice waits for the end of a command, in milliseconds. */
const PATIENCE_MS = 100;

/**
 * Runs work in slices of about 2 ms, each between two commands of the manager, when nothing is half done. While a command does not end, because a
 * target does not answer, slices run all the same. Commands wait for one slice at most.
 */
export class Turns {
  readonly #onlooking: Onlooking;
  /** What the command that has been given to the queue does in its turn. */
  #inTurn: (() => void) | undefined = undefined;
  #isStopped = false;

  constructor(onlooking: Onlooking) {
    this.#onlooking = onlooking;
  }

  /** Ends the work that runs, between two slices. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Runs work to its end, or until `stop`.
   *
   * @param step does a small part of the work. Returns whether there is more
   * @param isBetween told to each slice: whether no command is half done
   * @param afterSlice called after each slice
   * @returns the time that the slices took, in milliseconds
   */
  async run(step: (isBetween: boolean) => boolean, afterSlice: () => void): Promise<number> {
    const work = { isDone: false, spent: 0 };
    const slice = (isBetween: boolean): void => {
      const start = performance.now();
      while (!work.isDone && !this.#isStopped && performance.now() - start < SLICE_MS) {
        work.isDone = !step(isBetween);
      }
      afterSlice();
      work.spent += performance.now() - start;
    };
    while (!work.isDone && !this.#isStopped) {
      await new Promise<void>((resolve, reject) => {
        this.#schedule(slice, resolve, reject);
      });
      await nextTurn();
    }
    return work.spent;
  }

  /** Does a slice in its turn; when that does not come soon, at any time. */
  #schedule(slice: (isBetween: boolean) => void, resolve: () => void, reject: (error: unknown) => void): void {
    const state: { timer?: NodeJS.Timeout; isOver: boolean } = { isOver: false };
    const once = (isBetween: boolean): void => {
      if (state.isOver) {
        return;
      }
      state.isOver = true;
      clearTimeout(state.timer);
      try {
        slice(isBetween);
        resolve();
      } catch (error) {
        reject(error);
      }
    };
    const hasWaited = this.#inTurn !== undefined; // For the command that has not ended.
    this.#inTurn = () => {
      once(true);
    };
    if (!hasWaited) {
      this.#onlooking.inTurn(() => {
        const inTurn = this.#inTurn;
        this.#inTurn = undefined;
        inTurn?.();
      });
    }
    if (!state.isOver) {
      state.timer = setTimeout(
        () => {
          void this.#onlooking.prepare().then(() => {
            once(false);
          }, reject);
        },
        hasWaited ? 0 : PATIENCE_MS,
      );
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
