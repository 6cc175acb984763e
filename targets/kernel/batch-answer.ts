import type { BatchStop, DmaError } from '../../streams/index.js';

/** Return type of `mapDmaBatch` and `unmapDmaBatch`. */
export type BatchAnswer = BatchStop | undefined | Promise<BatchStop | undefined>;

/** Calls `next` with the value; if it is a promise, after it has resolved. */
export function whenDone<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Why the next call of a set could not be passed to the kernel. */
export interface BadArgument {
  readonly refusal: unknown;
}

/** Converts the progress of a set to the answer of the target: `undefined` if all calls succeeded. */
export function toBatchStop<T>(
  { done, errno }: Pick<Progress, 'done' | 'errno'>,
  items: readonly T[],
  refused: BadArgument | undefined,
  toError: (errno: number, item: T, rest: readonly T[]) => DmaError,
): BatchStop | undefined {
  if (done === items.length) {
    return undefined;
  }
  return { done, error: errno < 0 ? toError(errno, items[done] as T, items.slice(done)) : refused?.refusal };
}

/** Progress of a set of calls. */
export interface Progress {
  /** Number of calls that succeeded, from the first. */
  readonly done: number;
  /** Errno of the next call; 0 if there is none, or it was not made. */
  readonly errno: number;
  /** Whether the call that failed was a copy (`DmaBatch.copy`). */
  readonly isCopy: boolean;
}
