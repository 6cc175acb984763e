import { isPromiseLike } from './coroutine.js';
import { SyncPromise } from './sync-promise.js';

/** How long a call that is under way may take to come back once the attach that it is part of was aborted, in milliseconds. */
const ABORT_GRACE_MS = 1000;

/**
 * An answer that is waited for only as long as the signal is not aborted, and a moment longer, so that a call which does come back
 * can be undone. `undefined` when it did not come back.
 */
export function waitUntilAborted<T>(
  answer: T | Promise<T>,
  signal: AbortSignal | undefined,
): T | Promise<T | undefined> {
  if (signal === undefined || !isPromiseLike(answer)) {
    return answer;
  }
  return new SyncPromise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onAbort = (): void => {
      timer = setTimeout(() => {
        resolve(undefined);
      }, ABORT_GRACE_MS);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) {
      onAbort();
    }
    answer
      .finally(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      })
      .then(resolve, reject);
  });
}

/** The code of Node's own abort errors. */
export const ABORT_CODE = 'ABORT_ERR';
