import { addCallSite, addUnknownCallSite, CallSite } from './call-site.js';
import { inOwnSlice, pauseIfOver } from './time-slice.js';
import { isPromiseLike } from './coroutine.js';

/** Steps of `pauseIfOver` for the start of a command, without its own steps. */
const STEPS_PER_COMMAND = 8;

/** The started commands are removed from the list when they are more than this number, and more than half of the list. */
const COMPACT_COMMANDS_MIN = 1024;

/** Of so many waiting commands it is known where they were given. A program that gives more gives them in a loop, and would wait for the notes. */
const CALL_SITES_MAX = 64;

type Command<T> = () => T | PromiseLike<T>;

/** The functions that settle the promise of a command, and where it was given, if that was noted. */
interface Settling<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
  readonly site: CallSite | undefined;
}

/** A command that waits. */
interface QueuedCommand<T> extends Settling<T> {
  readonly command: Command<T>;
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
  readonly #callSites: boolean;

  /**
   * @param onWaiting called for each command that does not end within its call
   * @param callSites whether the errors of such commands say where they were given; those of others always do
   */
  constructor(onWaiting?: () => void, callSites = false) {
    this.#onWaiting = onWaiting;
    this.#callSites = callSites;
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
          const site = this.#waiting.length - this.#next < CALL_SITES_MAX ? this.#siteOfCall() : undefined;
          this.#waiting.push({ command, resolve, reject, site } as QueuedCommand<unknown>);
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
      addCallSite(error, this.#callSite(), false);
      // A command may throw any value.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      return Promise.reject(error);
    }
    if (!isPromiseLike(result)) {
      this.#busy = false;
      return Promise.resolve(result);
    }
    const answer = result;
    const site = this.#siteOfCall();
    return new Promise((resolve, reject) => {
      this.#settleWhenDone(answer, { resolve, reject, site });
    });
  }

  /** The call of a command that goes on, if it is to be noted. */
  #siteOfCall(): CallSite | undefined {
    return this.#callSites ? this.#callSite() : undefined;
  }

  #callSite(): CallSite {
    // It is not called: it says which frames to leave out.
    // eslint-disable-next-line @typescript-eslint/unbound-method
    return new CallSite(this.runAlways);
  }

  #start(queued: QueuedCommand<unknown>): void {
    this.#busy = true;
    this.started += 1;
    let result: unknown;
    try {
      result = queued.command();
    } catch (error) {
      this.#fail(queued, error);
      return;
    }
    if (isPromiseLike(result)) {
      this.#settleWhenDone(result, queued);
    } else {
      this.#end(queued.resolve, result);
    }
  }

  #settleWhenDone<T>(answer: PromiseLike<T>, settling: Settling<T>): void {
    this.#onWaiting?.();
    answer.then(
      (value) => {
        this.#end(settling.resolve, value);
        this.#drain();
      },
      (error: unknown) => {
        this.#fail(settling, error);
        this.#drain();
      },
    );
  }

  #fail<T>({ reject, site }: Settling<T>, error: unknown): void {
    if (site === undefined) {
      addUnknownCallSite(error);
    } else {
      addCallSite(error, site, true);
    }
    this.#end(reject, error);
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
