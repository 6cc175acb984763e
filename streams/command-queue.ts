import { isPromiseLike } from './steps.js';

interface Waiting {
  readonly start: () => void;
}

/**
 * Commands one at a time, in the order in which they were given.
 *
 * A command that comes while nothing is under way starts at once, inside the call. One that comes while another is under way,
 * from inside a subscriber or a target for instance, waits for its turn.
 */
export class CommandQueue {
  #busy = false;
  #waiting: Waiting[] = [];
  #next = 0;

  /** Resolves or rejects as the command does. A command that throws harms no other. */
  run<T>(command: () => T | Promise<T>): Promise<T> {
    if (this.#busy) {
      return new Promise<T>((resolve, reject) => {
        this.#waiting.push({
          start: () => {
            this.#start(command).then(resolve, reject);
          },
        });
      });
    }
    const result = this.#start(command);
    this.#drain();
    return result;
  }

  /** Does something at once, while commands that it causes wait until it is done. */
  hold(work: () => void): void {
    if (this.#busy) {
      work();
      return;
    }
    this.#busy = true;
    try {
      work();
    } finally {
      this.#busy = false;
      this.#drain();
    }
  }

  #start<T>(command: () => T | Promise<T>): Promise<T> {
    this.#busy = true;
    let result: T | Promise<T>;
    try {
      result = command();
    } catch (error) {
      this.#busy = false;
      // What a command throws is what it rejects with, whatever that is.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      return Promise.reject(error);
    }
    if (!isPromiseLike(result)) {
      this.#busy = false;
      return Promise.resolve(result);
    }
    return result.finally(() => {
      this.#busy = false;
      this.#drain();
    });
  }

  #drain(): void {
    while (!this.#busy) {
      const waiting = this.#waiting[this.#next];
      if (waiting === undefined) {
        this.#waiting = [];
        this.#next = 0;
        return;
      }
      this.#next += 1;
      if (this.#next > 1024 && this.#next * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#next);
        this.#next = 0;
      }
      waiting.start();
    }
  }
}
