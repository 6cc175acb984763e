import type { DmaError } from '../contracts/errors.js';
import { SyncPromise } from '../util/coroutine.js';

/** How a call ended that nobody waits for any more. */
export type LateAnswer = { readonly value: unknown } | { readonly thrown: unknown };

/** The call of a target that has not ended. It can be abandoned: then whoever waits for it no longer does. */
export class OpenCall {
  /** The answer that is waited for. */
  #answer: PromiseLike<unknown> | undefined = undefined;
  #reject: ((error: DmaError) => void) | undefined = undefined;
  #abandoned: Promise<LateAnswer> | undefined = undefined;
  #reason: DmaError | undefined = undefined;

  /** Whether a call is waited for. */
  get isOpen(): boolean {
    return this.#answer !== undefined;
  }

  /** What identifies the call that is waited for. */
  get current(): object | undefined {
    return this.#answer;
  }

  /** A promise that settles as the answer does, or rejects when the call is abandoned. */
  wait(answer: PromiseLike<unknown>): Promise<unknown> {
    return new SyncPromise((resolve, reject) => {
      this.#answer = answer;
      this.#reject = reject;
      promiseOf(answer).then(
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
      this.#abandoned = promiseOf(answer).then(
        (value): LateAnswer => ({ value }),
        (thrown: unknown): LateAnswer => ({ thrown }),
      );
      this.#reason = error;
      this.#end(answer);
      reject(error);
    }
  }

  /** Resolves when the call that was abandoned has ended; `undefined` if none was. */
  get abandoned(): Promise<LateAnswer> | undefined {
    return this.#abandoned;
  }

  /** The same, if the call was abandoned with this error. */
  lateAnswer(error: DmaError | undefined): Promise<LateAnswer> | undefined {
    return error !== undefined && error === this.#reason ? this.#abandoned : undefined;
  }

  #end(answer: PromiseLike<unknown>): void {
    if (this.#answer === answer) {
      this.#answer = this.#reject = undefined;
    }
  }
}

/** Other thenables may call back twice, or throw: `Promise.resolve` makes a promise of them. */
function promiseOf(answer: PromiseLike<unknown>): Promise<unknown> {
  return answer instanceof SyncPromise ? answer : Promise.resolve(answer);
}
