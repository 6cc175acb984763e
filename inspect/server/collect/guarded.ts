import { defer, type Observable, type Subscription } from 'rxjs';

/**
 * Subscribes to a stream of a user. Whatever it emits, and whatever it or the reading of a value throws, only the error is told.
 *
 * @param source$ should be an Observable
 * @param next reads a value
 */
export function subscribeGuarded<T>(
  source$: Observable<T>,
  next: (value: T) => void,
  error: (error: unknown) => void,
): Subscription {
  return defer(() => source$).subscribe({
    next: (value) => {
      try {
        next(value);
      } catch (thrown) {
        error(thrown);
      }
    },
    error,
  });
}

/** Ends a subscription. What the user's teardown throws is told. */
export function endGuarded(subscription: Subscription, error: (error: unknown) => void): void {
  try {
    subscription.unsubscribe();
  } catch (thrown) {
    error(thrown);
  }
}
