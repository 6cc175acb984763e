import type { Observable, Subscriber, Subscription } from 'rxjs';
import { pauseIfOver } from '../util/time-slice.js';
import { isPromiseLike } from '../util/coroutine.js';

/**
 * Answers each value of a source, one after another and in order; a value that arrives while another is being answered waits.
 * Completes, or fails with the source, when all that came before has been answered.
 *
 * Synchronous where the work is, and linear in its backlog, which `concatMap` over asynchronous work is not.
 */
export function inTurn<T, R>(
  source$: Observable<T>,
  subscriber: Subscriber<R>,
  answer: (value: T) => R | Promise<R>,
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
      result = answer(value);
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
