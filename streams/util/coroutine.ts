import { withoutPause } from './time-slice.js';
import { isPromiseLike, SyncPromise } from './sync-promise.js';

export { isPromiseLike };

/**
 * Work that waits only where it has to: it yields the promises that it waits for, and runs straight through where there are
 * none. So targets that answer at once are served at once, by the same code that waits for slow ones.
 */
export type Coroutine<T> = Generator<PromiseLike<unknown>, T, unknown>;

/** Runs the work; a promise of its result only if it had to wait. It goes on, and the promise calls back, as soon as what it waits for has settled. */
export function run<T>(steps: Coroutine<T>): T | Promise<T> {
  const first = steps.next();
  return first.done === true ? first.value : finish(steps, first.value);
}

type Step<T> = () => IteratorResult<PromiseLike<unknown>, T>;

function finish<T>(steps: Coroutine<T>, first: PromiseLike<unknown>): Promise<T> {
  return new SyncPromise((resolve, reject) => {
    /** Goes on until the work has to wait. */
    const goOn = (from: Step<T> | undefined): void => {
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
    /** The next step, where the promise has settled inside the call; else it is taken once it has. */
    const waitForOne = (awaited: PromiseLike<unknown>): Step<T> | undefined => {
      let atOnce: Step<T> | undefined;
      let isLate = false;
      const take = (step: Step<T>): void => {
        if (isLate) {
          goOn(step);
        } else {
          atOnce = step;
        }
      };
      // What is no promise of either kind is made one: it may call back twice, or throw.
      (awaited instanceof SyncPromise ? awaited : Promise.resolve(awaited)).then(
        (value: unknown) => {
          take(() => steps.next(value));
        },
        (error: unknown) => {
          take(() => steps.throw(error));
        },
      );
      isLate = true;
      return atOnce;
    };
    goOn(waitForOne(first));
  });
}

/** Runs work that waits for nothing but its turn to its end, at once: where the caller wants its result within the call. */
export function runAtOnce<T>(steps: Coroutine<T>): T {
  return withoutPause(() => {
    for (;;) {
      const next = steps.next();
      if (next.done === true) {
        return next.value;
      }
    }
  });
}

/** In such work: `const value = yield* settled(something())`. Costs nothing to speak of when it is not a promise. */
export function* waitFor<T>(value: T | PromiseLike<T>): Coroutine<T> {
  return isPromiseLike(value) ? ((yield value) as T) : value;
}
