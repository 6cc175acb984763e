import { checkPass, PASS } from '../constructor-pass.js';
import { ERRNO } from '../../streams/internal.js';
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

/** The newer interface to the IOMMU (`/dev/iommu`, `<linux/iommufd.h>`, Linux 6.2): one descriptor, several sets of mappings. */
export class Iommufd implements Disposable {
  #iommufd: IommufdHandle | undefined;
  #supportsMapFile: boolean | undefined;

  private constructor(pass: symbol, iommufd: IommufdHandle) {
    checkPass(pass, 'an Iommufd is made by Iommufd.open');
    this.#iommufd = iommufd;
  }

  /** @throws DmaError `ENOENT` without iommufd in the kernel, `EACCES` without permission; with the commands that cure it */
  static open(): Iommufd {
    const iommufd = native().iommufdOpen();
    if (typeof iommufd === 'number') {
      const hint = openHint(iommufd, PATH, 'iommufd', 'CONFIG_IOMMUFD, since Linux 6.2; VFIO type1 works without it');
      throw systemError(iommufd, { what: `cannot open ${PATH}`, syscall: 'open', hint });
    }
    return new Iommufd(PASS, iommufd);
  }

  /** Makes an empty set of mappings. @throws DmaError `ENOMEM`, `ERR_CLOSED` */
  allocIoas(): Ioas {
    const id = native().iommufdAllocateIoas(this.#open());
    if (id < 0) {
      throw systemError(id, { what: 'cannot allocate an IOAS', syscall: 'ioctl', request: 'IOMMU_IOAS_ALLOC' });
    }
    return new Ioas(PASS, this, id);
  }

  /** Whether the kernel can map a memfd without a host virtual address (`IOMMU_IOAS_MAP_FILE`, Linux 6.14). Asked once. */
  get supportsMapFile(): boolean {
    const iommufd = this.#open();
    this.#supportsMapFile ??= native().iommufdProbeMapFile(iommufd) !== ENOTTY;
    return this.#supportsMapFile;
  }

  /** Closes the descriptor. Its IOASes live on while devices are attached to them. Again: nothing. */
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
}

/**
 * An I/O address space: one set of mappings, for all devices that are attached to it (`VfioDevice.attach`).
 *
 * Before the first device is attached, maps are recorded and neither pinned nor checked.
 */
export class Ioas extends CopySource {
  /** Its number in its iommufd. */
  readonly id: number;
  readonly iommufd: Iommufd;
  #destroyed = false;
  #runner: Runner | undefined;
  #rowRunner: RowRunner | undefined;
  #joins = 0;

  constructor(pass: symbol, iommufd: Iommufd, id: number) {
    super();
    checkPass(pass, 'an Ioas is made by Iommufd.allocIoas');
    this.iommufd = iommufd;
    this.id = id;
  }

  /**
   * What may be mapped, ascending: less once a device is attached that cannot reach everything.
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
   * Runs the rows of a batch, one after another, on this thread: `IOMMU_IOAS_MAP` at a fixed IOVA, `IOMMU_IOAS_MAP_FILE`,
   * `IOMMU_IOAS_COPY`, `IOMMU_IOAS_UNMAP`.
   *
   * @param options.stopAtFailure end with the first row that fails. Default: false
   * @returns how many rows were run; what became of each is in the batch
   * @throws DmaError `ERR_CLOSED`, also when a row copies from an IOAS that was destroyed; TypeError when one copies from an
   * IOAS of another iommufd: nothing was run
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
   * As {@link Ioas.run}, on a thread of its own: for maps that pin much. The batch is locked until it resolves; closing
   * anything meanwhile does not disturb it. Until then neither this IOAS nor one that is copied from can be destroyed.
   *
   * @throws DmaError also `EAGAIN` when the process can have no more threads: nothing was run
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

  /** Whether {@link Ioas.destroy} has given it up. */
  get isDestroyed(): boolean {
    return this.#destroyed;
  }

  /**
   * Grows when a device is attached: `iovaRanges` may leave out more from then on.
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
   * Unmaps everything and gives the IOAS up. Again, or after its iommufd was closed: nothing.
   *
   * On failure: as before.
   *
   * @throws DmaError `EBUSY` while a device is attached, or a batch is being run on another thread
   */
  destroy(): void {
    if (this.#destroyed) {
      return;
    }
    // The kernel would give the number to the next IOAS.
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
}
