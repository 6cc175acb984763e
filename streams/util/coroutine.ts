import { withoutPause } from './time-slice.js';

/**
 * A function that may have to wait. It yields each promise that it waits for, and continues with the result. Without promises it runs
 * synchronously: the same code serves synchronous and asynchronous targets.
 */
export type Coroutine<T> = Generator<PromiseLike<unknown>, T, unknown>;

/**
 * Runs a coroutine. Returns its result, or a `SyncPromise` of it if it had to wait. The coroutine continues as soon as the yielded promise settles.
 */
export function run<T>(coroutine: Coroutine<T>): T | Promise<T> {
  const first = coroutine.next();
  return first.done === true ? first.value : finish(coroutine, first.value);
}

type Step<T> = () => IteratorResult<PromiseLike<unknown>, T>;

function finish<T>(coroutine: Coroutine<T>, first: PromiseLike<unknown>): Promise<T> {
  return new SyncPromise((resolve, reject) => {
    /** Runs the coroutine until it has to wait. */
    const advance = (from: Step<T> | undefined): void => {
      for (let step = from; step !== undefined;) {
        let next: IteratorResult<PromiseLike<unknown>, T>;
        try {
          next = step();
        } catch (error) {
          reject(error);
          return;
        }
        if (next.done === true) {
          resolve(next.value);
          return;
        }
        step = waitForOne(next.value);
      }
    };
    /** Returns the next step if the promise settles inside the call; otherwise takes the step when it settles. */
    const waitForOne = (awaited: PromiseLike<unknown>): Step<T> | undefined => {
      let atOnce: Step<T> | undefined;
      let isLate = false;
      const take = (step: Step<T>): void => {
        if (isLate) {
          advance(step);
        } else {
          atOnce = step;
        }
      };
      // Other thenables may call back twice, or throw: `Promise.resolve` makes a promise of them.
      (awaited instanceof SyncPromise ? awaited : Promise.resolve(awaited)).then(
        (value: unknown) => {
          take(() => coroutine.next(value));
        },
        (error: unknown) => {
          take(() => coroutine.throw(error));
        },
      );
      isLate = true;
      return atOnce;
    };
    advance(waitForOne(first));
  });
}

/** Runs a coroutine to its end synchronously, without pauses. It must not wait for anything except pauses for the event loop. */
export function runAtOnce<T>(coroutine: Coroutine<T>): T {
  return withoutPause(() => {
    for (;;) {
      const next = coroutine.next();
      if (next.done === true) {
        return next.value;
      }
    }
  });
}

/** Waits for a value in a coroutine: `const value = yield* waitFor(call())`. A value that is not a promise is returned immediately. */
export function* waitFor<T>(value: T | PromiseLike<T>): Coroutine<T> {
  return isPromiseLike(value) ? ((yield value) as T) : value;
}

/** Whether the value has a method `then`. Throws if `then` is a getter that throws. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

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
