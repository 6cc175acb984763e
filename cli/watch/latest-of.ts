import type { Observable } from 'rxjs';

/**
 * The values of a stream, one at a time: of those that come while one is being worked on, only the last one. Ends when the stream completes, or the
 * signal is aborted; a value that nobody has taken then is lost. Throws the error of the stream, after the last value.
 */
export async function* latestOf<T>(values$: Observable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  let latest: { readonly value: T } | undefined;
  let ended: { readonly error?: unknown } | undefined;
  let wake: (() => void) | undefined;
  const subscription = values$.subscribe({
    next: (value) => {
      latest = { value };
      wake?.();
    },
    error: (error: unknown) => {
      ended = { error };
      wake?.();
    },
    complete: () => {
      ended = {};
      wake?.();
    },
  });
  const abort = (): void => {
    wake?.();
  };
  signal.addEventListener('abort', abort);
  try {
    while (!signal.aborted) {
      const next = latest as { readonly value: T } | undefined;
      const end = ended as { readonly error?: unknown } | undefined;
      if (next !== undefined) {
        latest = undefined;
        yield next.value;
      } else if (end !== undefined) {
        if ('error' in end) {
          throw end.error;
        }
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    signal.removeEventListener('abort', abort);
    subscription.unsubscribe();
  }
}
