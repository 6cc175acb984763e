import { executionAsyncResource } from 'node:async_hooks';
import { native, type SpaceHandle } from './native.js';

/** Milliseconds until the first further attempt, and at most between two of them. */
const FIRST_DELAY = 10;
const LONGEST_DELAY = 1000;

/**
 * Empties the views of released memory.
 *
 * Native code does that at once, unless a job of Node is under way: then they wait, and are tried again after a while. A job of zlib that
 * is between two of its steps cannot be seen there, but here: its callback is running.
 */
export class ReleasedViews {
  #hasViews = false;
  #timer: NodeJS.Timeout | undefined;

  /** A view was made. Until then there is nothing to do. */
  expect(): void {
    this.#hasViews = true;
  }

  /** Calls what releases memory. */
  during<T>(space: SpaceHandle, release: () => T): T {
    if (!this.#hasViews) {
      return release();
    }
    this.#empty(space);
    const result = release();
    if (this.#empty(space) > 0) {
      this.#retry(space, FIRST_DELAY);
    }
    return result;
  }

  #empty(space: SpaceHandle): number {
    return native().addressSpaceEmptyViews(space, !isInsideJob());
  }

  #retry(space: SpaceHandle, delay: number): void {
    if (this.#timer !== undefined) {
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#empty(space) > 0) {
        this.#retry(space, Math.min(delay * 2, LONGEST_DELAY));
      }
    }, delay).unref();
  }
}

/** Whether this runs in the callback of a job that has a buffer: the object of the job is the resource that is executing (node:async_hooks). */
function isInsideJob(): boolean {
  return ArrayBuffer.isView((executionAsyncResource() as { readonly buffer?: unknown }).buffer);
}
