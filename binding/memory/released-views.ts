import { native, type SpaceHandle } from '../native.js';
import { isViewInput, observeInput } from './zlib-input.js';

/** Milliseconds until the first further attempt, and at most between two of them. */
const FIRST_DELAY = 10;
const LONGEST_DELAY = 1000;

/**
 * Empties the views of released memory.
 *
 * Native code does that at once, unless a job of Node is under way: then they wait, and are tried again after a while. A stream of zlib
 * that is between two of its steps cannot be seen there, but here (see zlib-input.ts).
 */
export class ReleasedViews {
  #hasViews = false;
  #timer: NodeJS.Timeout | undefined;

  /** A view was made, of this buffer. Until then there is nothing to do. */
  expect(buffer: ArrayBufferLike): void {
    this.#hasViews = true;
    observeInput(buffer);
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
