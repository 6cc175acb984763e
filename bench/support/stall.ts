import { performance, PerformanceObserver } from 'node:perf_hooks';

/** The longest stall of the event loop, in milliseconds. */
export interface Stall {
  /** Including garbage collection. */
  readonly whole: number;
  /** Without garbage collection. */
  readonly withoutCollector: number;
}

interface Wait {
  readonly start: number;
  readonly length: number;
}

/** Measures stalls of the event loop; functions of the caller are excluded. */
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
   * The longest time for which the event loop did not get to a timer that was due, while `work` went on. The timer is of one millisecond: what an
   * idle loop shows is about that. Garbage from before is collected before, where Node.js runs with `--expose-gc`.
   */
  async longest(work: () => Promise<unknown>): Promise<Stall> {
    const waits: Wait[] = [];
    const collections: Wait[] = [];
    const observer = new PerformanceObserver((list) => {
      collections.push(...list.getEntries().map(({ startTime, duration }) => ({ start: startTime, length: duration })));
    });
    globalThis.gc?.();
    observer.observe({ entryTypes: ['gc'] });
    let last = performance.now();
    const note = (): void => {
      const now = performance.now();
      waits.push({ start: last, length: now - last - this.#own });
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
      // The last stretch counts, too: the timer that is due ends it, before this one. The observer is told later.
      await new Promise((resolve) => setTimeout(resolve, 10));
    } finally {
      clearInterval(timer);
      observer.disconnect();
    }
    return {
      whole: Math.max(...waits.map(({ length }) => length)),
      withoutCollector: Math.max(...waits.map((wait) => wait.length - collectedDuring(wait, collections))),
    };
  }
}

function collectedDuring({ start, length }: Wait, collections: readonly Wait[]): number {
  return collections
    .filter((collection) => collection.start >= start && collection.start < start + length)
    .reduce((sum, collection) => sum + collection.length, 0);
}

/** As {@link StallMeter.longest}, for whatever reason, where the caller does nothing himself. */
export async function longestStall(work: () => Promise<unknown>): Promise<number> {
  return (await new StallMeter().longest(work)).whole;
}
