import { checkPass, PASS } from '../constructor-pass.js';
import { ERRNO, madeBy, printable } from '../../streams/internal.js';
import { closedError, systemError } from '../errors.js';
import { CopySource } from './copy-source.js';
import type { DmaBatch } from './dma-batch.js';
import { pairs } from './iova-range.js';
import type { IovaRange } from './iova-range.js';
import { native } from '../native.js';
import type { IommufdHandle, RowRunner, Runner } from '../native.js';
import { openHint } from './open-hints.js';

const { ENOENT, EBUSY, ENOTTY } = ERRNO;
const PATH = '/dev/iommu';

/**
 * The iommufd interface (`/dev/iommu`, `<linux/iommufd.h>`, Linux 6.2 or later): one descriptor, with any number of IOASes. Made by `open`.
 *
 * @example
 * ```ts
 * import { Iommufd, VfioDevice } from 'dma-streams/binding';
 *
 * using iommufd = Iommufd.open();
 * using device = VfioDevice.openCdev('0000:00:04.0', iommufd);
 * device.attach(iommufd.allocIoas());
 * ```
 */
export class Iommufd implements Disposable {
  #iommufd: IommufdHandle | undefined;
  #supportsMapFile: boolean | undefined;

  private constructor(pass: symbol, iommufd: IommufdHandle) {
    checkPass(pass, Iommufd);
    this.#iommufd = iommufd;
  }

  /**
   * Opens `/dev/iommu`.
   *
   * @throws DmaError `ENOENT` if the kernel has no iommufd; `EACCES` without permission. The hint has the commands that fix it
   */
  static open(): Iommufd {
    const iommufd = native().iommufdOpen();
    if (typeof iommufd === 'number') {
      const hint = openHint(iommufd, PATH, 'iommufd', 'CONFIG_IOMMUFD, since Linux 6.2; VFIO type1 works without it');
      throw systemError(iommufd, { what: `cannot open ${PATH}`, syscall: 'open', hint });
    }
    return new Iommufd(PASS, iommufd);
  }

  /** Allocates an empty IOAS. @throws DmaError `ENOMEM`, `ERR_CLOSED` */
  allocIoas(): Ioas {
    const id = native().iommufdAllocateIoas(this.#open());
    if (id < 0) {
      throw systemError(id, { what: 'cannot allocate an IOAS', syscall: 'ioctl', request: 'IOMMU_IOAS_ALLOC' });
    }
    return new Ioas(PASS, this, id);
  }

  /**
   * Whether the kernel can map a memfd without a host virtual address (`IOMMU_IOAS_MAP_FILE`, Linux 6.14 or later). The answer is cached.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  get supportsMapFile(): boolean {
    const iommufd = this.#open();
    this.#supportsMapFile ??= native().iommufdProbeMapFile(iommufd) !== ENOTTY;
    return this.#supportsMapFile;
  }

  /** Closes the descriptor. Its IOASes exist as long as devices are attached to them. Calling it again has no effect. */
  close(): void {
    const iommufd = this.#iommufd;
    this.#iommufd = undefined;
    if (iommufd !== undefined) {
      native().iommufdClose(iommufd);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  static handleOf(iommufd: Iommufd): IommufdHandle {
    return iommufd.#open();
  }

  #open(): IommufdHandle {
    if (this.#iommufd === undefined) {
      throw closedError('this iommufd');
    }
    return this.#iommufd;
  }

  static {
    madeBy(this, 'Iommufd.open');
    printable(this, (iommufd) => ({ closed: iommufd.#iommufd === undefined }));
  }
}

/**
 * An I/O address space: one set of mappings, shared by all devices that are attached to it (`VfioDevice.attach`). Made by
 * `Iommufd.allocIoas`.
 *
 * Before the first device is attached, maps are recorded but not pinned or checked.
 *
 * @example
 * ```ts
 * import { Iommufd } from 'dma-streams/binding';
 *
 * using iommufd = Iommufd.open();
 * const ioas = iommufd.allocIoas();
 * console.log(ioas.iovaRanges); // [{ start: 0n, last: 18446744073709551615n }]
 * ioas.destroy();
 * ```
 */
export class Ioas extends CopySource {
  /** Object id in its iommufd. */
  readonly id: number;
  readonly iommufd: Iommufd;
  #destroyed = false;
  #runner: Runner | undefined;
  #rowRunner: RowRunner | undefined;
  #joins = 0;

  /** For `Iommufd.allocIoas`. */
  constructor(pass: symbol, iommufd: Iommufd, id: number) {
    super();
    checkPass(pass, Ioas);
    this.iommufd = iommufd;
    this.id = id;
  }

  /**
   * The I/O virtual addresses that can be mapped, ascending. Attaching a device can make the ranges smaller.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  get iovaRanges(): readonly IovaRange[] {
    const ends = native().iommufdIovaRanges(this.#open(), this.id);
    if (typeof ends === 'number') {
      const what = `cannot ask IOAS ${this.id} for its ranges`;
      throw systemError(ends, { what, syscall: 'ioctl', request: 'IOMMU_IOAS_IOVA_RANGES' });
    }
    return pairs(ends);
  }

  /**
   * Runs the rows of a batch in order on this thread: `IOMMU_IOAS_MAP` at a fixed IOVA, `IOMMU_IOAS_MAP_FILE`, `IOMMU_IOAS_COPY`,
   * `IOMMU_IOAS_UNMAP`. A row that fails throws no error.
   *
   * @param options.stopAtFailure whether to stop after the first row that fails. Default: false
   * @returns number of rows that were run; the batch has the result of each
   * @throws DmaError `ERR_CLOSED`, also if a row copies from an IOAS that was destroyed; TypeError if a row copies from an IOAS of
   * another iommufd. In these cases no row is run
   */
  run(batch: DmaBatch, options: { readonly stopAtFailure?: boolean } = {}): number {
    const iommufd = this.#open();
    this.#checkSources(batch);
    if (batch.length === 1) {
      return batch.runRow((this.#rowRunner ??= native().ioasRowRunner(iommufd, this.id)));
    }
    const runner = this.#runnerOf(iommufd);
    return batch.runNow((rows, results, count) => runner(rows, results, count, options.stopAtFailure === true, false));
  }

  /**
   * Does the same as {@link Ioas.run} on a separate thread, for maps that pin many pages. Until the promise settles, the batch is locked,
   * and `destroy` of this IOAS and of the IOASes that are copied from fails. Closing other objects during that time is safe.
   *
   * @throws DmaError also `EAGAIN` if the process cannot create another thread: no row is run
   */
  runAsync(batch: DmaBatch, options: { readonly stopAtFailure?: boolean } = {}): Promise<number> {
    const runner = this.#runnerOf(this.#open());
    this.#checkSources(batch);
    const used = [this, ...batch.sources];
    used.forEach((ioas) => {
      ioas.beginUse();
    });
    return batch
      .runLater((rows, results, count) => runner(rows, results, count, options.stopAtFailure === true, true))
      .finally(() => {
        used.forEach((ioas) => {
          ioas.endUse();
        });
      });
  }

  /**
   * @throws DmaError `ERR_CLOSED` when it was destroyed, or its iommufd closed
   * @internal
   */
  checkOpen(): void {
    this.#open();
  }

  /** Whether {@link Ioas.destroy} has succeeded. */
  get isDestroyed(): boolean {
    return this.#destroyed;
  }

  /**
   * Number of device attachments so far. Each one can make `iovaRanges` smaller.
   *
   * @internal
   */
  get joins(): number {
    return this.#joins;
  }

  /** @internal */
  static noteJoin(ioas: Ioas): void {
    ioas.#joins += 1;
  }

  /**
   * Unmaps everything and destroys the IOAS. Calling it again, or after its iommufd was closed, has no effect.
   *
   * On failure: nothing changes.
   *
   * @throws DmaError `EBUSY` while a device is attached, or a batch that uses this IOAS runs on another thread
   */
  destroy(): void {
    if (this.#destroyed) {
      return;
    }
    // The kernel could reuse the id for the next IOAS while the batch still uses it.
    if (this.isInUse) {
      throw systemError(EBUSY, {
        what: `cannot destroy IOAS ${this.id}`,
        because: 'a batch is being run on it, or copied from it, on another thread',
        hint: 'Wait for the promise of runAsync first.',
      });
    }
    let iommufd: IommufdHandle;
    try {
      iommufd = Iommufd.handleOf(this.iommufd);
    } catch {
      this.#destroyed = true;
      return;
    }
    const result = native().iommufdDestroy(iommufd, this.id);
    if (result < 0 && result !== ENOENT) {
      throw systemError(result, {
        what: `cannot destroy IOAS ${this.id}`,
        syscall: 'ioctl',
        request: 'IOMMU_DESTROY',
        hint: result === EBUSY ? 'Detach or close its devices first.' : undefined,
      });
    }
    this.#destroyed = true;
  }

  #checkSources({ sources }: DmaBatch): void {
    for (const source of sources) {
      source.checkOpen();
      if (source.iommufd !== this.iommufd) {
        throw new TypeError('a row copies from an IOAS of another iommufd');
      }
    }
  }

  #runnerOf(iommufd: IommufdHandle): Runner {
    return (this.#runner ??= native().ioasRunner(iommufd, this.id));
  }

  #open(): IommufdHandle {
    if (this.#destroyed) {
      throw closedError(`IOAS ${this.id}`);
    }
    return Iommufd.handleOf(this.iommufd);
  }

  static {
    madeBy(this, 'iommufd.allocIoas');
    printable(this, (ioas) => ({ id: ioas.id, joins: ioas.#joins, destroyed: ioas.isDestroyed }));
  }
}
