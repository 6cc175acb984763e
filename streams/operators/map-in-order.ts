import { Observable, type OperatorFunction, type Subscriber, type Subscription } from 'rxjs';
import { pauseIfOver } from '../util/time-slice.js';
import { isPromiseLike } from '../util/coroutine.js';

/**
 * Maps each value of a source to a result that may take time: one after another and in order. A value that arrives while another is being
 * mapped waits. Completes, or fails with the source, when all that came before has been mapped.
 *
 * Synchronous where the work is, and linear in its backlog, which `concatMap` over asynchronous work is not. A long backlog lets the event loop
 * go on now and then.
 *
 * @param project gives the result, or a promise of it. The observable fails with what it throws or rejects with
 *
 * ```ts
 * changes$.pipe(mapInOrder((set) => port.serve(set)));
 * ```
 */
export function mapInOrder<T, R>(project: (value: T) => R | Promise<R>): OperatorFunction<T, R> {
  return (source$) => new Observable((subscriber) => mapTo(subscriber, source$, project));
}

function mapTo<T, R>(
  subscriber: Subscriber<R>,
  source$: Observable<T>,
  project: (value: T) => R | Promise<R>,
): Subscription {
  let waiting: T[] = [];
  let next = 0;
  let busy = false;
  let last: (() => void) | undefined;

  function drain(): void {
    while (!busy && !subscriber.closed) {
      if (next === waiting.length) {
        if (next > 0) {
          waiting = [];
          next = 0;
        }
        last?.();
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
      const value = waiting[next] as T;
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
        waiting.push(value);
        return;
      }
      start(value);
      drain();
    },
    error: (error: unknown) => {
      last = () => {
        subscriber.error(error);
      };
      drain();
    },
    complete: () => {
      last = () => {
        subscriber.complete();
      };
      drain();
    },
  });
}
