import { Observable } from 'rxjs';

/** Resolves in a later turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * The answer of a call as an observable, which makes the call take effect before it completes.
 *
 * @param free called first when the answer ends, however it does
 * @param end makes the call take effect; the observable errors with what it throws
 * @param cancel called after `free` when the observable is unsubscribed before the answer has ended
 */
export function endingWith(
  answer$: Observable<unknown>,
  free: () => void,
  end: () => void,
  cancel: () => void,
): Observable<unknown> {
  return new Observable((subscriber) => {
    let ended = false;
    const subscription = answer$.subscribe({
      error: (error: unknown) => {
        ended = true;
        free();
        subscriber.error(error);
      },
      complete: () => {
        ended = true;
        free();
        try {
          end();
          subscriber.complete();
        } catch (error) {
          subscriber.error(error);
        }
      },
    });
    return () => {
      subscription.unsubscribe();
      if (!ended) {
        free();
        cancel();
      }
    };
  });
}
