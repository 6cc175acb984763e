import { inOwnSlice, pauseIfOver } from './time-slice.js';
import { isPromiseLike } from './coroutine.js';

/** What starting a command is worth, in steps; those that it takes itself come on top. */
const STEPS_PER_COMMAND = 8;

type Command<T> = () => T | PromiseLike<T>;

/** A command whose promise has been returned to the caller, and is still open. */
interface QueuedCommand<T> {
  readonly command: Command<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commands one at a time, in the order in which they were given.
 *
 * A command that comes while nothing is under way starts at once, inside the call. One that comes while another is under way,
 * from inside a subscriber or a target for instance, waits for its turn.
 *
 * A long backlog lets the event loop go on now and then, between two commands.
 *
 * Their promises settle in the same order: a callback that is given to `then` right after the call runs before that of any later command.
 */
export class SerialQueue {
  #busy = false;
  #draining = false;
  #waiting: QueuedCommand<unknown>[] = [];
  #next = 0;
  /** Calls of `run` that have not returned their promise yet: nobody can have given it a callback. */
  #calls = 0;
  /** Settles the promises of commands that have ended during such a call, or behind one that has. In order. */
  #unsettled: (() => void)[] = [];

  /** Resolves or rejects as the command does. A command that throws harms no other. */
  run<T>(command: Command<T>): Promise<T> {
    this.#calls += 1;
    try {
      if (this.#busy || this.#unsettled.length > 0) {
        return new Promise<T>((resolve, reject) => {
          this.#waiting.push({ command, resolve, reject } as QueuedCommand<unknown>);
          this.#drain();
        });
      }
      return inOwnSlice(() => {
        const promise = this.#runAtOnce(command);
        this.#drain();
        return promise;
      });
    } finally {
      this.#calls -= 1;
    }
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

  /** Of a command that ends inside the call the promise is made when it has ended. */
  #runAtOnce<T>(command: Command<T>): Promise<T> {
    this.#busy = true;
    let result: T | PromiseLike<T>;
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
    const answer = result;
    return new Promise((resolve, reject) => {
      this.#settleWhenDone(answer, resolve, reject);
    });
  }

  #start({ command, resolve, reject }: QueuedCommand<unknown>): void {
    this.#busy = true;
    let result: unknown;
    try {
      result = command();
    } catch (error) {
      this.#end(reject, error);
      return;
    }
    if (isPromiseLike(result)) {
      this.#settleWhenDone(result, resolve, reject);
    } else {
      this.#end(resolve, result);
    }
  }

  #settleWhenDone<T>(answer: PromiseLike<T>, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    answer.then(
      (value) => {
        this.#end(resolve, value);
        this.#drain();
      },
      (error: unknown) => {
        this.#end(reject, error);
        this.#drain();
      },
    );
  }

  /** The command has taken effect, or failed. Its promise settles now, unless that of an earlier command is not yet in its caller's hands. */
  #end<T>(settle: (result: T) => void, result: T): void {
    this.#busy = false;
    if (this.#calls === 0 && this.#unsettled.length === 0) {
      settle(result);
      return;
    }
    if (this.#unsettled.length === 0) {
      void Promise.resolve().then(() => {
        const settles = this.#unsettled;
        this.#unsettled = [];
        for (const one of settles) {
          one();
        }
      });
    }
    this.#unsettled.push(() => {
      settle(result);
    });
  }

  #drain(): void {
    if (this.#draining) {
      return; // A command that is done before anybody has waited for it: the loop below goes on.
    }
    this.#draining = true;
    while (!this.#busy) {
      const issued = this.#waiting[this.#next];
      if (issued === undefined) {
        this.#waiting = [];
        this.#next = 0;
        break;
      }
      const pause = pauseIfOver(STEPS_PER_COMMAND);
      if (pause !== undefined) {
        this.#goOnAfter(pause);
        break;
      }
      this.#next += 1;
      if (this.#next > 1024 && this.#next * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#next);
        this.#next = 0;
      }
      this.#start(issued);
    }
    this.#draining = false;
  }

  /** Commands that come meanwhile wait behind those that are waiting. */
  #goOnAfter(pause: Promise<void>): void {
    this.#busy = true;
    void pause.then(() => {
      this.#busy = false;
      this.#drain();
    });
  }
}
