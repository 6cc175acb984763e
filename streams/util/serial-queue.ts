import { inOwnSlice, pauseIfOver } from './time-slice.js';
import { isPromiseLike } from './coroutine.js';

/** Steps of `pauseIfOver` for the start of a command, without its own steps. */
const STEPS_PER_COMMAND = 8;

/** The started commands are removed from the list when they are more than this number, and more than half of the list. */
const COMPACT_COMMANDS_MIN = 1024;

type Command<T> = () => T | PromiseLike<T>;

/** A command that waits, with the functions that settle its promise. */
interface QueuedCommand<T> {
  readonly command: Command<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs commands one at a time, in the order of the calls.
 *
 * If no command is running, a command starts inside the call. Otherwise, for example when a subscriber or a target gives a command, it waits in the
 * queue. A long queue pauses for the event loop between two commands.
 *
 * The promises of the commands settle in the same order: a callback that is passed to `then` right after the call runs before that of any later
 * command.
 */
export class SerialQueue {
  /** Number of commands that have started. */
  started = 0;
  #busy = false;
  #draining = false;
  #waiting: QueuedCommand<unknown>[] = [];
  #next = 0;
  /** Calls of `run` that have not returned their promise yet, so that it cannot have a callback. */
  #openCalls = 0;
  /** Functions that settle the promises of commands that ended during such a call, and of all commands after them. In order. */
  #unsettled: (() => void)[] = [];
  /** Makes the error of commands that are refused; `undefined` until the queue is closed. */
  #refusal: (() => Error) | undefined = undefined;
  readonly #onWaiting: (() => void) | undefined;

  /** @param onWaiting called for each command that does not end within its call */
  constructor(onWaiting?: () => void) {
    this.#onWaiting = onWaiting;
  }

  /** Whether a command runs. */
  get isBusy(): boolean {
    return this.#busy;
  }

  /** Resolves or rejects like the command. A command that throws does not affect the others. After `close`, refuses the command. */
  run<T>(command: Command<T>): Promise<T> {
    return this.runAlways(this.#refusal === undefined ? command : thrower(this.#refusal()));
  }

  /** Commands that are given to `run` from now on reject with this error, in their turn. */
  close(refusal: () => Error): void {
    this.#refusal ??= refusal;
  }

  /** As `run`, also after `close`. */
  runAlways<T>(command: Command<T>): Promise<T> {
    this.#openCalls += 1;
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
      this.#openCalls -= 1;
    }
  }

  /** Does some work immediately. Commands that are given during the work start after it. */
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

  /** Runs a command. If it ends synchronously, its promise is made after its end. */
  #runAtOnce<T>(command: Command<T>): Promise<T> {
    this.#busy = true;
    this.started += 1;
    let result: T | PromiseLike<T>;
    try {
      result = command();
    } catch (error) {
      this.#busy = false;
      // A command may throw any value.
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
    this.started += 1;
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
    this.#onWaiting?.();
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

  /** Ends a command. Its promise settles now, or later if the promise of an earlier command has not been returned to its caller yet. */
  #end<T>(settle: (result: T) => void, result: T): void {
    this.#busy = false;
    if (this.#openCalls === 0 && this.#unsettled.length === 0) {
      settle(result);
      return;
    }
    if (this.#unsettled.length === 0) {
      void Promise.resolve().then(() => {
        const settles = this.#unsettled;
        this.#unsettled = [];
        for (const settleNext of settles) {
          settleNext();
        }
      });
    }
    this.#unsettled.push(() => {
      settle(result);
    });
  }

  #drain(): void {
    if (this.#draining) {
      return; // Called from the loop below, which continues.
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
        this.#continueAfter(pause);
        break;
      }
      this.#next += 1;
      if (this.#next > COMPACT_COMMANDS_MIN && this.#next * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#next);
        this.#next = 0;
      }
      this.#start(issued);
    }
    this.#draining = false;
  }

  /** Continues after a pause. New commands wait at the end of the queue. */
  #continueAfter(pause: Promise<void>): void {
    this.#busy = true;
    void pause.then(() => {
      this.#busy = false;
      this.#drain();
    });
  }
}

function thrower(error: Error): () => never {
  return () => {
    throw error;
  };
}
