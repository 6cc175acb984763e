import type { BatchStop, DmaError } from '../../streams/index.js';

/** What `mapDmaBatch` and `unmapDmaBatch` answer. */
export type BatchAnswer = BatchStop | undefined | Promise<BatchStop | undefined>;

/** Goes on with a value, or, when that is a promise, once it is there. */
export function whenDone<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Why the next call of a set could not be put to the kernel. */
export interface BadArgument {
  readonly refusal: unknown;
}

/** What a target answers to a set that got so far: nothing when it was served to its end. */
export function toBatchStop<T>(
  { done, errno }: Progress,
  items: readonly T[],
  refused: BadArgument | undefined,
  toError: (errno: number, item: T, rest: readonly T[]) => DmaError,
): BatchStop | undefined {
  if (done === items.length) {
    return undefined;
  }
  return { done, error: errno < 0 ? toError(errno, items[done] as T, items.slice(done)) : refused?.refusal };
}

/** How far a set of calls got. */
export interface Progress {
  /** Calls that succeeded, from the first on. */
  readonly done: number;
  /** What the kernel says of the next one; 0 when there is none, or it was not asked. */
  readonly errno: number;
}
