/** Work goes on for so long before others have their turn, in milliseconds; the event loop is never to wait for ten. */
const TURN = 8;

/** Steps between two looks at the clock. */
const STEPS = 64;

/** Keeps long synchronous work from holding up the event loop: work asks after each step whether it has to pause. */
export class Turn {
  #steps = 0;
  #since: number | undefined = undefined;

  /** A promise of the next turn, when this one has lasted long enough. */
  pause(): Promise<void> | undefined {
    if (++this.#steps % STEPS !== 0) {
      return undefined;
    }
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since < TURN) {
      return undefined;
    }
    this.#since = undefined;
    return new Promise((resolve) => {
      setTimeout(resolve);
    });
  }
}
