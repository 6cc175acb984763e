import { setImmediate as turn } from 'node:timers/promises';

/** Work without a pause for so long, in milliseconds, makes way for one turn of the event loop. */
const LONGEST_WORK = 20;

/**
 * Where long work can be ended early. Between two steps it asks whether it is to end. Signals of the process arrive only in a turn of
 * the event loop, and work whose promises are all resolved takes none: so asking takes one now and then.
 */
export class Checkpoint {
  readonly #signal: AbortSignal | undefined;
  #lastTurn = performance.now();
  #hasEndedWork = false;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Whether the work is to end. Nothing is waited for when there is no signal. */
  async isOver(): Promise<boolean> {
    if (this.#signal !== undefined && !this.#signal.aborted && performance.now() - this.#lastTurn > LONGEST_WORK) {
      await turn();
      this.#lastTurn = performance.now();
    }
    this.#hasEndedWork ||= this.#signal?.aborted ?? false;
    return this.#hasEndedWork;
  }

  /** Hands out the steps one by one, until there are no more, or the work is to end. */
  async *untilOver<Step>(steps: readonly Step[]): AsyncGenerator<Step, void> {
    for (const step of steps) {
      if (await this.isOver()) {
        return;
      }
      yield step;
    }
  }

  /** Whether it has said that the work is to end. */
  get hasEndedWork(): boolean {
    return this.#hasEndedWork;
  }
}
