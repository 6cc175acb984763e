/** Callbacks that are due, in order; `undefined` while none is running. */
let dueCallbacks: (() => void)[] | undefined;

/** Runs callbacks one after another, never one inside another: what they make due runs behind them. */
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

/** Whether a callback of a `SyncPromise` is running: then others run when it has returned. */
export function isRunningCallbacks(): boolean {
  return dueCallbacks !== undefined;
}

/**
 * A promise whose callbacks run before the call returns that settles it, not in a microtask after it. What waits for an observable goes on so in
 * the very moment in which that completes, which may be a moment of virtual time.
 *
 * Order: as microtasks, callbacks run one after another. Those that are due while one is running follow it.
 *
 * For use inside the library: users get promises of the usual kind. What is rejected and has no callback is not reported.
 */
export class SyncPromise<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'SyncPromise';
  #state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  #result: unknown = undefined;
  #reactions: (() => void)[] = [];

  /** @param work settles it, now or later; only the first time counts. A value that is a promise itself is not waited for */
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

/** Whether it can be waited for. A getter `then` that throws makes it a promise that rejects. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  );
}
