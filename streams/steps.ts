/**
 * Work that waits only where it has to: it yields the promises that it waits for, and runs straight through where there are
 * none. So targets that answer at once are served at once, by the same code that waits for slow ones.
 */
export type Steps<T> = Generator<PromiseLike<unknown>, T, unknown>;

/** Runs the work; a promise of its result only if it had to wait. */
export function run<T>(steps: Steps<T>): T | Promise<T> {
  const first = steps.next();
  return first.done === true ? first.value : finish(steps, first.value);
}

async function finish<T>(steps: Steps<T>, awaited: PromiseLike<unknown>): Promise<T> {
  for (;;) {
    let next: IteratorResult<PromiseLike<unknown>, T>;
    try {
      next = steps.next(await awaited);
    } catch (error) {
      next = steps.throw(error);
    }
    if (next.done === true) {
      return next.value;
    }
    awaited = next.value;
  }
}

/** In such work: `const value = yield* settled(something())`. Costs nothing to speak of when it is not a promise. */
export function* settled<T>(value: T | PromiseLike<T>): Steps<T> {
  return isPromiseLike(value) ? ((yield value) as T) : value;
}

/** Whether it can be waited for. A getter `then` that throws makes it a promise that rejects. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  );
}
