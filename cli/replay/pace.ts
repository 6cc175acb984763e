import { setTimeout as sleep } from 'node:timers/promises';

/** How fast a trace is replayed: `'max'` waits for nothing; a number keeps the recorded times, so many times faster. */
export type Speed = 'max' | number;

/** A timer of Node's takes at most 2^31 - 1 milliseconds. */
const LONGEST_SLEEP = 2 ** 30;

/** Keeps the recorded times of commits. */
export class Pace {
  readonly #speed: Speed;
  #start: number | undefined;

  constructor(speed: Speed) {
    this.#speed = speed;
  }

  /** Waits for the time of a commit, counted from that of the first one. Resolves with `false` when the signal was aborted before. */
  async waitFor({ ms }: { readonly ms: number }, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#speed === 'max') {
      return true;
    }
    const after = ms / this.#speed;
    this.#start ??= performance.now() - after;
    const time = this.#start + after;
    for (let left = time - performance.now(); left > 0; left = time - performance.now()) {
      try {
        await sleep(Math.min(left, LONGEST_SLEEP), undefined, { signal });
      } catch {
        return false;
      }
    }
    return true;
  }
}
