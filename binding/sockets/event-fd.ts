import { readSync, writeSync } from 'node:fs';
import { Observable, Subject } from 'rxjs';
import { checkFd, checkU64 } from '../checks.js';
import { checkPass, PASS } from '../constructor-pass.js';
import { ERRNO, madeBy, printable } from '../../streams/internal.js';
import { closedError, systemError, type Attempt } from '../errors.js';
import { native } from '../native.js';
import type { EventFdWatchHandle, FileHandle } from '../native.js';

/** The highest value of the counter. */
const MOST = 2n ** 64n - 2n;

/**
 * An eventfd (eventfd(2)): a counter of signals between this process, the kernel and other processes. Made by `create` and `fromFd`.
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
  #watch: EventFdWatchHandle | undefined;
  readonly #signals = new Subject<bigint>();

  /**
   * Hot. The counter, whenever it is not 0: each value is the number of signals since the last one. Reading sets the counter to 0, so `take` and
   * other readers of the same eventfd do not see these signals.
   *
   * All subscribers share one reader, which starts with the first one and ends with the last one; each gets every value from then on. Signals that
   * were sent before are not lost: the first subscriber gets them, later ones do not. Values come from the event loop, never within `subscribe`. A subscription keeps
   * the process alive; without one, an open eventfd does not. Completes when the eventfd is closed. Errors with a `DmaError` if it cannot be
   * watched.
   *
   * @example
   * ```ts
   * import { firstValueFrom } from 'rxjs';
   * import { EventFd } from 'dma-streams/binding';
   *
   * using event = EventFd.create();
   * event.signal(3n);
   * console.log(await firstValueFrom(event.signals$)); // 3n
   * ```
   */
  readonly signals$ = new Observable<bigint>((subscriber) => {
    const subscription = this.#signals.subscribe(subscriber);
    try {
      this.#startWatch();
    } catch (error) {
      subscriber.error(error);
    }
    return () => {
      subscription.unsubscribe();
      if (!this.#signals.observed) {
        this.#stopWatch();
      }
    };
  });

  private constructor(pass: symbol, file: FileHandle) {
    checkPass(pass, EventFd);
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

  /**
   * An eventfd of another part of this process, or of another process that has sent it. Takes a duplicate: `fd` stays open and the caller's.
   *
   * The eventfd is set to non-blocking (`O_NONBLOCK`), which all of its duplicates share, also those in other processes.
   *
   * @throws DmaError `EBADF` if it is not open, `EINVAL` if it is not an eventfd, `EMFILE`; TypeError
   */
  static fromFd(fd: number): EventFd {
    checkFd(fd, 'fd');
    const file = native().eventFdFrom(fd);
    if (typeof file === 'number') {
      throw systemError(file, { what: `cannot use descriptor ${fd} as an eventfd`, ...explain(file) });
    }
    return new EventFd(PASS, file);
  }

  /** The descriptor, which stays this object's. @throws DmaError `ERR_CLOSED` */
  get fd(): number {
    const fd = native().fileFd(this.#open());
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
    checkU64(count, 'count');
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

  /**
   * Closes the descriptor, and completes `signals$`. What the kernel has connected to it stays connected. Calling it again has no effect.
   */
  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) {
      this.#stopWatch();
      native().fileClose(file);
      this.#signals.complete();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): FileHandle {
    if (this.#file === undefined) {
      throw closedError('this eventfd');
    }
    return this.#file;
  }

  #startWatch(): void {
    if (this.#watch !== undefined || this.#file === undefined) {
      return;
    }
    const watch = native().eventFdWatch(this.#file, (count) => {
      this.#signals.next(count);
    });
    if (typeof watch === 'number') {
      throw systemError(watch, { what: 'cannot watch an eventfd', syscall: 'epoll_ctl' });
    }
    this.#watch = watch;
  }

  #stopWatch(): void {
    if (this.#watch !== undefined) {
      native().eventFdUnwatch(this.#watch);
      this.#watch = undefined;
    }
  }

  static {
    madeBy(this, 'EventFd.create or EventFd.fromFd');
    printable(this, (event) => ({ closed: event.#file === undefined }));
  }
}

/** Why a descriptor cannot be used. */
function explain(errno: number): Partial<Attempt> {
  switch (errno) {
    case ERRNO.EINVAL:
      return { because: 'it is a file of another kind', hint: 'Pass a descriptor that eventfd(2) has made.' };
    case ERRNO.EBADF:
      return { syscall: 'fcntl', hint: 'It was closed, or this is not the number of an open file.' };
    default:
      return { syscall: 'fcntl' };
  }
}
