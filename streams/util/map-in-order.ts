import { Observable, type OperatorFunction, type Subscriber, type Subscription } from 'rxjs';
import { pauseIfOver } from './time-slice.js';
import { isPromiseLike } from './coroutine.js';

/**
 * Operator that maps each value to a result or a promise of one: one value at a time, in order. Values that arrive
 * meanwhile are queued.
 *
 * Completion, or an error of the source, is passed on when the values before it have been mapped. A result that is not
 * a promise is emitted synchronously. The queue takes linear time, which that of `concatMap` does not; a long one
 * yields to the event loop between its values.
 *
 * @param project returns the result, or a promise of it. The observable errors with what it throws or rejects with
 */
export function mapInOrder<T, R>(project: (value: T) => R | Promise<R>): OperatorFunction<T, R> {
  return (source$) => new Observable((subscriber) => mapTo(subscriber, source$, project));
}

function mapTo<T, R>(
  subscriber: Subscriber<R>,
  source$: Observable<T>,
  project: (value: T) => R | Promise<R>,
): Subscription {
  let queued: T[] = [];
  let next = 0;
  let busy = false;
  /** Passes on the end of the source, which follows the last value. */
  let passEndOn: (() => void) | undefined;

  function drain(): void {
    while (!busy && !subscriber.closed) {
      if (next === queued.length) {
        if (next > 0) {
          queued = [];
          next = 0;
        }
        passEndOn?.();
        return;
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        busy = true;
        void pause.then(() => {
          busy = false;
          drain();
        });
        return;
      }
      const value = queued[next] as T;
      next += 1;
      start(value);
    }
  }

  function start(value: T): void {
    busy = true;
    let result: R | Promise<R>;
    try {
      result = project(value);
    } catch (error) {
      subscriber.error(error);
      return;
    }
    if (!isPromiseLike(result)) {
      subscriber.next(result);
      busy = false;
      return;
    }
    result.then(
      (late) => {
        subscriber.next(late);
        busy = false;
        drain();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
  }

  return source$.subscribe({
    next: (value) => {
      if (busy) {
        queued.push(value);
        return;
      }
      start(value);
      drain();
    },
    error: (error: unknown) => {
      passEndOn = () => {
        subscriber.error(error);
      };
      drain();
    },
    complete: () => {
      passEndOn = () => {
        subscriber.complete();
      };
      drain();
    },
  });
}
