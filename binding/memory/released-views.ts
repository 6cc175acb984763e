import { native, type SpaceHandle } from '../native.js';
import { isViewInput, observeInput } from './zlib-input.js';

/** Milliseconds until the first retry, and maximum between two retries. */
const FIRST_DELAY = 10;
const LONGEST_DELAY = 1000;

/**
 * Empties the views of released memory.
 *
 * Native code does so immediately, unless a job of Node.js is pending. In that case it is retried later. A zlib stream between two steps is
 * not visible to native code; it is detected here (see zlib-input.ts).
 */
export class ReleasedViews {
  #hasViews = false;
  #timer: NodeJS.Timeout | undefined;

  /** Records that a view of this buffer was made. Before the first one there is nothing to do. */
  expect(buffer: ArrayBufferLike): void {
    this.#hasViews = true;
    observeInput(buffer);
  }

  /** Calls `release`, which releases memory. */
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
    return native().addressSpaceEmptyViews(space, !isViewInput());
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
