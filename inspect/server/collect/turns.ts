import { clearTimeout, setTimeout } from 'node:timers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Onlooking } from '../../../streams/internal.js';

/** How long a slice waits for the end of a command, in milliseconds. */
const PATIENCE_MS = 100;

/** Work in small parts. */
export interface Work {
  /**
   * Does a small part.
   *
   * @param isBetween whether no command is half done
   * @returns whether there is more
   */
  step(isBetween: boolean): boolean;
  /** Called after each slice. */
  afterSlice(): void;
  /** When it is aborted, no part is done any more. */
  readonly signal: AbortSignal;
}

/**
 * Runs work in short slices, each between two commands of the manager, when nothing is half done. While a command does not end, because a
 * target does not answer, slices run all the same. Commands wait for one slice at most.
 *
 * One for each manager: it has at most one command in the queue, which holds nothing of work that was aborted.
 */
export class Turns {
  readonly #onlooking: Onlooking;
  readonly #sliceMs: number;
  /** Whether a command has been given to the queue that has not had its turn. */
  #isQueued = false;
  /** What it does in its turn. */
  #slice: ((isBetween: boolean) => void) | undefined = undefined;

  /** @param sliceMs how long one slice takes about, in milliseconds */
  constructor(onlooking: Onlooking, sliceMs: number) {
    this.#onlooking = onlooking;
    this.#sliceMs = sliceMs;
  }

  /**
   * Runs work to its end, one at a time.
   *
   * @returns the time that the slices took, in milliseconds; `undefined` when it was aborted
   * @throws what a part throws
   */
  async run(work: Work): Promise<number | undefined> {
    const state = { isDone: false, spent: 0 };
    const slice = (isBetween: boolean): void => {
      if (work.signal.aborted) {
        return;
      }
      const start = performance.now();
      do {
        state.isDone = !work.step(isBetween);
      } while (!state.isDone && performance.now() - start < this.#sliceMs);
      work.afterSlice();
      state.spent += performance.now() - start;
    };
    while (!state.isDone) {
      await new Promise<void>((resolve, reject) => {
        this.#schedule(slice, resolve, reject);
      });
      if (work.signal.aborted) {
        return undefined;
      }
      await nextTurn();
    }
    return state.spent;
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
      if (this.#slice === once) {
        this.#slice = undefined;
      }
      try {
        slice(isBetween);
        resolve();
      } catch (error) {
        reject(error);
      }
    };
    this.#slice = once;
    const hasWaited = this.#isQueued; // For the command that has not ended.
    this.#enqueue();
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

  #enqueue(): void {
    if (!this.#isQueued) {
      this.#isQueued = true;
      this.#onlooking.inTurn(() => {
        this.#isQueued = false;
        this.#slice?.(true);
      });
    }
  }
}
