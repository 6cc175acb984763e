import type { DmaError } from '../../streams/index.js';

/** Turns an error number, or the promise of one, into nothing or an error: thrown, or the promise's rejection. */
export function settle(errno: number | Promise<number>, toError: (errno: number) => DmaError): void | Promise<void> {
  if (typeof errno !== 'number') {
    return errno.then((late) => settle(late, toError));
  }
  if (errno < 0) {
    throw toError(errno);
  }
}
