import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  ignoreElements,
  isObservable,
  lastValueFrom,
  of,
  tap,
} from 'rxjs';
import type { Observable, ObservableInput } from 'rxjs';
import type { BatchStop } from '../streams/index.js';

/* eslint-disable @typescript-eslint/no-invalid-void-type -- a call of a target may return nothing: `void` is what such a function returns */
/** What a single call of a target returns. */
export type CallAnswer = void | Promise<void> | Observable<unknown>;

/** What a batch call of a target returns. */
export type BatchAnswer = BatchStop | undefined | Promise<BatchStop | undefined> | Observable<BatchStop | undefined>;

/**
 * Serves a batch by single calls, one after another, and stops at the first failure, as `mapDmaBatch` and `unmapDmaBatch` must. Waits for calls
 * that end later, and then answers in the same form as they do.
 *
 * @throws the error of the first call, if that fails at once
 */
export function serveBatch<T>(items: readonly T[], call: (item: T) => CallAnswer): BatchAnswer {
  for (let done = 0; done < items.length; done++) {
    try {
      const answer = call(items[done] as T);
      if (answer !== undefined) {
        const rest$ = serveLater(answer, items, done, call);
        return isObservable(answer) ? rest$ : lastValueFrom(rest$, { defaultValue: undefined });
      }
    } catch (error) {
      return stopAt(done, error);
    }
  }
  return undefined;
}

/** Goes on with a batch whose call number `done` has been made and ends later. */
function serveLater<T>(
  answer: CallAnswer,
  items: readonly T[],
  done: number,
  call: (item: T) => CallAnswer,
): Observable<BatchStop | undefined> {
  let ended = done;
  const counted = (one: CallAnswer): Observable<unknown> =>
    from((one ?? EMPTY) as ObservableInput<unknown>).pipe(tap({ complete: () => (ended += 1) }));
  const calls$ = from(items.slice(done + 1)).pipe(concatMap((item) => defer(() => counted(call(item)))));
  const all$ = concat(counted(answer), calls$);
  return concat(all$.pipe(ignoreElements()), of(undefined)).pipe(
    catchError((error: unknown) => defer(() => of(stopAt(ended, error)))),
  );
}

function stopAt(done: number, error: unknown): BatchStop {
  if (done === 0) {
    throw error;
  }
  return { done, error };
}
