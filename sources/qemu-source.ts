import { BehaviorSubject, distinctUntilChanged, Observable, ReplaySubject, share, type Subscriber } from 'rxjs';
import { DmaError, type RegionManager } from '../streams/index.js';
import { madeBy } from '../streams/internal.js';
import { DumpError } from './dump-error.js';
import { parseFlatViews, sectionsOfSpace, type FlatView } from './flat-view.js';
import { followSections, type Following } from './follow.js';
import { checkQemuOptions, type CheckedOptions, type QemuSourceOptions } from './qemu-source-options.js';
import { QmpClient } from './qmp-client.js';
import { QmpEnded } from './qmp-errors.js';
import { differenceOf, type Section } from './section.js';

const COMMAND = 'info mtree -f';

/** While QEMU is not there, in milliseconds. */
const LONGEST_PAUSE = 1000;

/**
 * Follows the memory map of a running QEMU: the flat view of one of its address spaces, by its monitor (`-qmp unix:PATH,server=on,wait=off`). It
 * only reads. QEMU serves one client at a time on each such socket.
 *
 * @example
 * ```ts
 * import { QemuSource } from 'dma-streams/sources';
 *
 * async function watch(path: string): Promise<void> {
 *   using qemu = await QemuSource.connect(path);
 *   await qemu.sections$.forEach((sections) => {
 *     console.log(`${sections.length} sections, the first at 0x${sections[0]?.start.toString(16)}`);
 *   });
 *   console.log('QEMU has ended');
 * }
 * ```
 */
export class QemuSource implements Disposable {
  /** Of the socket. */
  readonly path: string;

  /**
   * Cold, but shared: while it has subscribers, one loop asks QEMU for all of them. The sections of the address space, in ascending order: those
   * that there are at the time of the subscription, and all of them again after each change. A late subscriber gets the last state at once, within
   * `subscribe`; the first one gets it from the event loop.
   *
   * QEMU is asked once each `interval`, for all subscribers together, and not at all while there are none. A state that lasts longer than the
   * interval is seen, as long as QEMU and this process have a processor; one that is shorter may be missed.
   *
   * Completes when QEMU has ended, or after `close()`. With the option `reconnect`, it goes on when QEMU comes back within that time, with what has
   * changed.
   *
   * Errors with a `DmaError`: `ETIMEDOUT` if QEMU does not answer in time; `ECONNRESET` if it ends in the middle of an answer; `EPROTO` if its
   * answer cannot be used, `cause` being a `DumpError`, or if it refuses to answer; the errors of `connect`. A part of an answer never becomes a
   * state. A later subscription connects again.
   */
  readonly sections$: Observable<readonly Section[]>;

  /**
   * Hot, with the current value. Whether QEMU is connected: within `subscribe`, and after each change, from the event loop. With the option `reconnect` it is `false` while QEMU is
   * awaited. That a connection was lost is noticed while `sections$` has a subscriber. Completes after `close()`; never errors.
   */
  readonly connected$: Observable<boolean>;

  readonly #options: CheckedOptions;
  readonly #connected$ = new BehaviorSubject(true);
  #client: QmpClient;
  #connecting: Promise<void> | undefined;
  #isClosed = false;
  /** Each ends a pause early. */
  readonly #wakes = new Set<() => void>();

  private constructor(path: string, options: CheckedOptions, client: QmpClient) {
    this.path = path;
    this.#options = options;
    this.#client = this.#watched(client);
    this.connected$ = this.#connected$.pipe(distinctUntilChanged());
    this.sections$ = new Observable<readonly Section[]>((subscriber) => {
      void this.#poll(subscriber);
      return () => {
        this.#wake();
      };
    }).pipe(share({ connector: () => new ReplaySubject(1) }));
  }

  /**
   * Connects to QEMU, and negotiates.
   *
   * @param qmpSocket path of the socket
   * @throws TypeError or RangeError if an argument is invalid
   * @throws DmaError with a `hint`: `ENOENT`, `ENOTSOCK`, `ECONNREFUSED` or `EACCES` if the socket cannot be connected to; `ENAMETOOLONG`;
   * `ETIMEDOUT` if no greeting comes, as QMP serves one client at a time; `EPROTO` if it is another protocol; `ECONNRESET`; `ABORT_ERR`. Nothing is
   * left open.
   */
  static async connect(qmpSocket: string, options: QemuSourceOptions = {}): Promise<QemuSource> {
    const checked = checkQemuOptions(qmpSocket, options);
    return new QemuSource(qmpSocket, checked, await QmpClient.connect(qmpSocket, checked));
  }

  /** The version of QEMU, such as `'7.2.22'`. */
  get version(): string {
    return this.#client.version;
  }

  /**
   * The names of all address spaces: `'memory'`, `'I/O'`, and one for each processor and PCI device. A name may be there more than once.
   *
   * @throws DmaError as `sections$`
   */
  async addressSpaces(): Promise<readonly string[]> {
    const views = this.#parsed(await this.#client.humanMonitor(COMMAND));
    return views.flatMap(({ addressSpaces }) => addressSpaces);
  }

  /**
   * Keeps the memory of a manager as that of QEMU, until QEMU ends, or `close()` of what it resolves with. Each change is one transaction: a
   * section of memory is a region with one mapping of its whole pages; all other sections are left out. The memory is that of files of its own, one
   * for each memory region of QEMU, which take no memory until they are written: **the contents are not those of QEMU**. Sections of one memory
   * region share their bytes, except where the region turns out larger than its file: what comes then has a file of its own.
   *
   * Resolves when the first state is in the manager.
   *
   * @throws DmaError as `sections$`, or as `RegionManager.transaction`. The manager is as before.
   */
  follow(manager: RegionManager): Promise<Following> {
    return followSections(this.sections$, manager);
  }

  /** Closes the connection. `sections$` completes. Calling it again has no effect. */
  close(): void {
    this.#isClosed = true;
    this.#client.close();
    this.#connected$.complete();
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #poll(subscriber: Subscriber<readonly Section[]>): Promise<void> {
    let text: string | undefined;
    let sections: readonly Section[] | undefined;
    try {
      if (this.#client.isClosed && !this.#isClosed) {
        await this.#connect();
      }
      while (!subscriber.closed && !this.#isClosed) {
        const begun = performance.now();
        const answer = await this.#ask(subscriber);
        if (answer === undefined) {
          break;
        }
        if (answer !== text) {
          text = answer;
          const now = this.#sectionsIn(answer);
          const { removed, added } = differenceOf(sections ?? [], now);
          if (sections === undefined || removed.length + added.length > 0) {
            sections = now;
            subscriber.next(now);
          }
        }
        await this.#pause(begun + this.#options.interval - performance.now(), subscriber);
      }
      subscriber.complete();
    } catch (error) {
      subscriber.error(error);
    }
  }

  /** `undefined` when QEMU has ended, and does not come back in time, or nobody waits for the answer any more. */
  async #ask(subscriber: Subscriber<unknown>): Promise<string | undefined> {
    for (;;) {
      try {
        return await this.#client.humanMonitor(COMMAND);
      } catch (error) {
        if (this.#isClosed || subscriber.closed) {
          return undefined;
        }
        if (!(error instanceof QmpEnded) || (error.isMidAnswer && this.#options.reconnect === 0)) {
          throw error;
        }
        if (!(await this.#reconnected(subscriber))) {
          return undefined;
        }
      }
    }
  }

  /** One at a time, for all subscribers: QEMU serves one client. */
  #connect(): Promise<void> {
    this.#connecting ??= QmpClient.connect(this.path, this.#options)
      .then((client) => {
        this.#client = this.#watched(client);
      })
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting;
  }

  /** Whether QEMU has come back in time. */
  async #reconnected(subscriber: Subscriber<unknown>): Promise<boolean> {
    const end = performance.now() + this.#options.reconnect;
    while (performance.now() < end && !subscriber.closed && !this.#isClosed) {
      try {
        await this.#connect();
        return true;
      } catch {
        const pause = Math.min(this.#options.interval, LONGEST_PAUSE, end - performance.now());
        await this.#pause(pause, subscriber);
      }
    }
    return false;
  }

  /** A connection that was made while this was closed is closed, too. */
  #watched(client: QmpClient): QmpClient {
    this.#connected$.next(true);
    client.onEnd = () => {
      this.#connected$.next(false);
      this.#wake();
    };
    if (this.#isClosed) {
      client.close();
    }
    return client;
  }

  #parsed(text: string): readonly FlatView[] {
    try {
      return parseFlatViews(text);
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  #sectionsIn(text: string): readonly Section[] {
    const views = this.#parsed(text);
    try {
      return sectionsOfSpace(views, this.#options.addressSpace);
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  #unusable(error: unknown): unknown {
    return error instanceof DumpError
      ? new DmaError(`${this.path}: ${error.message}`, { code: 'EPROTO', hint: error.hint, cause: error })
      : error;
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) {
      wake();
    }
  }

  /** Ends early when the last subscriber goes, the connection ends, or this is closed. */
  #pause(milliseconds: number, subscriber: Subscriber<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wakes.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, milliseconds));
      this.#wakes.add(done);
      if (subscriber.closed || this.#isClosed) {
        done();
      }
    });
  }
}

madeBy(QemuSource, 'await QemuSource.connect');
