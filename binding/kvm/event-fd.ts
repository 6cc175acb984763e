import { readSync, writeSync } from 'node:fs';
import { checkAddress } from '../checks.js';
import { checkPass, PASS } from '../constructor-pass.js';
import { closedError, systemError } from '../errors.js';
import { native } from '../native.js';
import type { FileHandle } from '../native.js';

/** The highest value of the counter. */
const MOST = 2n ** 64n - 2n;

/**
 * An eventfd (eventfd(2)): a counter of signals between this process, the kernel and others. Made by `create`.
 *
 * @example
 * ```ts
 * import { EventFd } from 'dma-streams/binding';
 *
 * using event = EventFd.create();
 * event.signal();
 * event.signal(2n);
 * console.log(event.take(), event.take()); // 3n 0n
 * ```
 */
export class EventFd implements Disposable {
  #file: FileHandle | undefined;

  private constructor(pass: symbol, file: FileHandle) {
    checkPass(pass, 'an EventFd is made by EventFd.create');
    this.#file = file;
  }

  /** Makes an eventfd without signals. @throws DmaError `EMFILE`, `ENFILE`, `ENOMEM` */
  static create(): EventFd {
    const file = native().eventFdCreate();
    if (typeof file === 'number') {
      throw systemError(file, { what: 'cannot create an eventfd', syscall: 'eventfd' });
    }
    return new EventFd(PASS, file);
  }

  /** The descriptor, which stays this object's. @throws DmaError `ERR_CLOSED` */
  get fd(): number {
    const fd = this.#file === undefined ? -1 : native().fileFd(this.#file);
    if (fd < 0) {
      throw closedError('this eventfd');
    }
    return fd;
  }

  /**
   * Adds to the counter.
   *
   * @param count from 0 to 2^64 - 2
   * @throws DmaError `ERR_CLOSED`; TypeError, RangeError; the error of write(2): `EAGAIN` if the counter would exceed 2^64 - 2
   */
  signal(count = 1n): void {
    checkAddress(count, 'count');
    if (count === MOST + 1n) {
      throw new RangeError(`count ${count} is above 2^64 - 2`);
    }
    writeSync(this.fd, Buffer.from(BigUint64Array.of(count).buffer));
  }

  /** Returns the number of signals since the last call, and sets the counter to 0. @throws DmaError `ERR_CLOSED` */
  take(): bigint {
    const count = new BigUint64Array(1);
    try {
      readSync(this.fd, count);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') {
        throw error;
      }
    }
    return count[0] ?? 0n;
  }

  /** Closes the descriptor. What the kernel has connected to it stays connected. Calling it again has no effect. */
  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) {
      native().fileClose(file);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
