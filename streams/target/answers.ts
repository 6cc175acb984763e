import { from, isObservable, Observable, observable, type ObservableInput } from 'rxjs';
import { DmaError } from '../contracts/errors.js';
import { isPromiseLike } from '../util/coroutine.js';
import { SyncPromise } from '../util/sync-promise.js';

/** An observable that a target returned was unsubscribed before it completed: whether the call took effect is not known. */
export class UnsubscribedError extends DmaError {
  constructor(reason: unknown) {
    super('the attach was aborted, and the call of the target was unsubscribed', { code: 'ABORT_ERR', cause: reason });
  }
}

/**
 * What a method of a target returned, as a value or a promise of one: an observable is subscribed, and stands for the last value that it
 * emits before it completes. One that completes inside the call is as good as a plain value.
 *
 * @param signal unsubscribes from an observable, and makes its promise reject with an `UnsubscribedError`. A promise cannot be stopped
 * @throws what an observable errors with inside the call
 */
export function answerOf(returned: unknown, signal?: AbortSignal): unknown {
  if (returned === undefined || isPromiseLike(returned)) {
    return returned;
  }
  const source = observableOf(returned);
  return source === undefined ? returned : lastOf(source, signal);
}

function observableOf(value: unknown): Observable<unknown> | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
    return undefined;
  }
  if (typeof (value as Record<PropertyKey, unknown>)[observable] === 'function') {
    return from(value as ObservableInput<unknown>);
  }
  // Of another copy of RxJS that has another symbol.
  return isObservable(value) ? new Observable((subscriber) => value.subscribe(subscriber)) : undefined;
}

function lastOf(source: Observable<unknown>, signal: AbortSignal | undefined): unknown {
  let last: unknown;
  let ended: { readonly error?: unknown } | undefined;
  let settle: (() => void) | undefined;
  const end = (how: { readonly error?: unknown }): void => {
    ended = how;
    settle?.();
  };
  const subscription = source.subscribe({
    next: (value) => {
      last = value;
    },
    error: (error: unknown) => {
      end({ error });
    },
    complete: () => {
      end({});
    },
  });
  const answered = ended as { readonly error?: unknown } | undefined; // Perhaps inside the call.
  if (answered !== undefined) {
    if ('error' in answered) {
      throw answered.error;
    }
    return last;
  }
  return new SyncPromise((resolve, reject) => {
    const onAbort = (): void => {
      settle = undefined;
      subscription.unsubscribe();
      reject(new UnsubscribedError(signal?.reason));
    };
    settle = (): void => {
      signal?.removeEventListener('abort', onAbort);
      if (ended !== undefined && 'error' in ended) {
        reject(ended.error);
      } else {
        resolve(last);
      }
    };
    if (signal?.aborted === true) {
      onAbort();
    } else {
      signal?.addEventListener('abort', onAbort, { once: true });
    }
  });
}
