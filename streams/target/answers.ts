import { from, isObservable, Observable, observable, type ObservableInput } from 'rxjs';
import { DmaError } from '../contracts/errors.js';
import { SyncPromise, isPromiseLike } from '../util/coroutine.js';

/** The observable of a call was unsubscribed before it completed: it is not known whether the call took effect. */
export class UnsubscribedError extends DmaError {
  constructor(reason: unknown) {
    super('the attach was aborted, and the call of the target was unsubscribed', { code: 'ABORT_ERR', cause: reason });
  }
}

/**
 * Turns what a method of a target returned into a value or a promise. An observable is subscribed; its answer is the
 * last value that it emits before it completes, as a plain value when it completes within the call.
 *
 * @param signal unsubscribes from an observable, whose promise then rejects with an `UnsubscribedError`. A promise
 * cannot be stopped
 * @throws the error of an observable that errors within the call
 */
export function toAnswer(returned: unknown, signal?: AbortSignal): unknown {
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
  // An observable of another copy of RxJS, which has another symbol.
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
  const answered = ended as { readonly error?: unknown } | undefined; // The observable may have ended within the call.
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
