import { SyncPromise, isPromiseLike } from './coroutine.js';

/** How long a running call may take to end after its attach was aborted, in milliseconds. */
const ABORT_GRACE_MS = 1000;

/**
 * Waits for an answer until the signal is aborted, and then for `ABORT_GRACE_MS` more, so that a call which ends soon can be undone.
 *
 * @returns the answer; resolves with `undefined` if it did not arrive in time
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

/** The code of the abort errors of Node.js. */
export const ABORT_CODE = 'ABORT_ERR';
