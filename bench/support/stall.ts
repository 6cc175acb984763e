import { performance } from 'node:perf_hooks';

/** Watches for how long the event loop waits; what the caller does himself does not count. */
export class StallMeter {
  #own = 0;

  /** Runs a function of the caller's, of which the library cannot know how long it takes. */
  own<T>(work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.#own += performance.now() - start;
    }
  }

  /**
   * The longest time for which the event loop did not get to a timer that was due, while `work` went on, in milliseconds. The
   * timer is of one millisecond: what an idle loop shows is about that.
   */
  async longest(work: () => Promise<unknown>): Promise<number> {
    let longest = 0;
    let last = performance.now();
    const note = (): void => {
      const now = performance.now();
      longest = Math.max(longest, now - last - this.#own);
      this.#own = 0;
      last = now;
    };
    // It runs before the work begins, so that a loop which is blocked at once is seen.
    await new Promise((resolve) => setTimeout(resolve, 5));
    last = performance.now();
    this.#own = 0;
    const timer = setInterval(note, 1);
    try {
      await work();
      // The last stretch counts, too: the timer that is due ends it, before this one.
      await new Promise((resolve) => setTimeout(resolve, 2));
    } finally {
      clearInterval(timer);
    }
    return longest;
  }
}

/** As {@link StallMeter.longest}, where the caller does nothing himself. */
export function longestStall(work: () => Promise<unknown>): Promise<number> {
  return new StallMeter().longest(work);
}
