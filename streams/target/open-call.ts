import type { DmaError } from '../contracts/errors.js';
import { SyncPromise } from '../util/coroutine.js';

/** The call of a target that has not ended. It can be abandoned: then whoever waits for it no longer does. */
export class OpenCall {
  /** The answer that is waited for. */
  #answer: PromiseLike<unknown> | undefined = undefined;
  #reject: ((error: DmaError) => void) | undefined = undefined;
  #abandoned: Promise<unknown> | undefined = undefined;

  /** A promise that settles as the answer does, or rejects when the call is abandoned. */
  wait(answer: PromiseLike<unknown>): Promise<unknown> {
    return new SyncPromise((resolve, reject) => {
      this.#answer = answer;
      this.#reject = reject;
      // Other thenables may call back twice, or throw: `Promise.resolve` makes a promise of them.
      (answer instanceof SyncPromise ? answer : Promise.resolve(answer)).then(
        (value: unknown) => {
          this.#end(answer);
          resolve(value);
        },
        (error: unknown) => {
          this.#end(answer);
          reject(error);
        },
      );
    });
  }

  /** Whoever waits for the call gets this error. Has no effect when no call is open. */
  abandon(error: DmaError): void {
    const answer = this.#answer;
    const reject = this.#reject;
    if (answer !== undefined && reject !== undefined) {
      this.#abandoned = Promise.resolve(answer).then(ignore, ignore);
      this.#end(answer);
      reject(error);
    }
  }

  /** Resolves when the call that was abandoned has ended; `undefined` if none was. */
  get abandoned(): Promise<unknown> | undefined {
    return this.#abandoned;
  }

  #end(answer: PromiseLike<unknown>): void {
    if (this.#answer === answer) {
      this.#answer = this.#reject = undefined;
    }
  }
}

function ignore(): void {
  // Nobody waits for the call any more.
}
