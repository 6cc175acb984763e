import { isPromiseLike } from './checks.js';

/** Callbacks to run, in order; `undefined` if none is running. */
let dueCallbacks: (() => void)[] | undefined;

/** Runs callbacks one after another, never nested: callbacks that become due meanwhile run at the end. */
function runDue(callbacks: readonly (() => void)[]): void {
  if (dueCallbacks !== undefined) {
    dueCallbacks.push(...callbacks);
    return;
  }
  dueCallbacks = [...callbacks];
  try {
    for (const callback of dueCallbacks) {
      callback(); // May add to the list.
    }
  } finally {
    dueCallbacks = undefined;
  }
}

/** Whether a callback of a `SyncPromise` is running. Then other callbacks run after it has returned. */
export function isRunningCallbacks(): boolean {
  return dueCallbacks !== undefined;
}

/**
 * A promise whose callbacks run synchronously when it is settled, not in a later microtask. Work that waits for an observable therefore continues
 * at the time when the observable completes, also in virtual time.
 *
 * Order: callbacks run one after another, like microtasks. Callbacks that become due while one is running run after it.
 *
 * For internal use; users get native promises. Rejections without a callback are not reported.
 */
export class SyncPromise<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'SyncPromise';
  #state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  #result: unknown = undefined;
  #reactions: (() => void)[] = [];

  /** @param work settles the promise, now or later; only the first call has an effect. It does not wait for a value that is a promise itself */
  constructor(work: (resolve: (value: T) => void, reject: (error: unknown) => void) => void) {
    work(
      (value) => {
        this.#settle('fulfilled', value);
      },
      (error) => {
        this.#settle('rejected', error);
      },
    );
  }

  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return new SyncPromise<A | B>((resolve, reject) => {
      const react = (): void => {
        const isFulfilled = this.#state === 'fulfilled';
        const callback = (isFulfilled ? onFulfilled : onRejected) as
          ((result: unknown) => A | B | PromiseLike<A | B>) | null;
        if (typeof callback !== 'function') {
          (isFulfilled ? resolve : reject)(this.#result as A | B);
          return;
        }
        let value: A | B | PromiseLike<A | B>;
        try {
          value = callback(this.#result);
        } catch (error) {
          reject(error);
          return;
        }
        if (isPromiseLike(value)) {
          value.then(resolve, reject);
        } else {
          resolve(value);
        }
      };
      if (this.#state === 'pending') {
        this.#reactions.push(react);
      } else {
        runDue([react]);
      }
    });
  }

  catch<B = never>(onRejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onRejected);
  }

  finally(onSettled?: (() => void) | null): Promise<T> {
    return this.then(
      (value) => {
        onSettled?.();
        return value;
      },
      (error: unknown) => {
        onSettled?.();
        throw error;
      },
    );
  }

  #settle(state: 'fulfilled' | 'rejected', result: unknown): void {
    if (this.#state !== 'pending') {
      return;
    }
    this.#state = state;
    this.#result = result;
    const reactions = this.#reactions;
    this.#reactions = [];
    runDue(reactions);
  }
}
