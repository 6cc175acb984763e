import type { BatchStop, DmaError, DmaTarget } from '../../streams/index.js';
import type { Progress } from './iommu-calls.js';

/** What `mapDmaBatch` and `unmapDmaBatch` answer. */
export type BatchAnswer = ReturnType<NonNullable<DmaTarget['mapDmaBatch']>>;

/** Goes on with a value, or, when that is a promise, once it is there. */
export function whenDone<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Turns an error number, or the promise of one, into nothing or an error: thrown, or the promise's rejection. */
export function settle(errno: number | Promise<number>, toError: (errno: number) => DmaError): void | Promise<void> {
  return whenDone(errno, (known): void => {
    if (known < 0) {
      throw toError(known);
    }
  });
}

/** What a target answers to a set that got so far: nothing when it was served to its end. */
export function stopOf<T>(
  { done, errno, refusal }: Progress,
  items: readonly T[],
  toError: (errno: number, item: T) => DmaError,
): BatchStop | undefined {
  if (done === items.length) {
    return undefined;
  }
  return { done, error: errno < 0 ? toError(errno, items[done] as T) : refusal };
}
