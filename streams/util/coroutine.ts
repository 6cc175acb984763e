import { withoutPause } from './time-slice.js';
import { isPromiseLike } from './checks.js';
import { SyncPromise } from './sync-promise.js';

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
