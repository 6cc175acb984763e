import { checkPass, PASS } from '../constructor-pass.js';
import { ERRNO, madeBy, printable } from '../../streams/internal.js';
import { closedError, systemError } from '../errors.js';
import type { DmaBatch } from './dma-batch.js';
import { pairs } from './iova-range.js';
import type { IovaRange } from './iova-range.js';
import { native } from '../native.js';
import type { ContainerHandle, RowRunner, Runner } from '../native.js';
import { VfioGroup } from './vfio-group.js';
import { addGroupHint, openHint } from './open-hints.js';

/** From <linux/vfio.h>. */
const VFIO_TYPE1V2_IOMMU = 3;

const { EINVAL, EOPNOTSUPP } = ERRNO;
const ENTIRE_ADDRESS_SPACE = { start: 0n, last: (1n << 64n) - 1n };
const PATH = '/dev/vfio/vfio';

/**
 * A VFIO container with a type1v2 IOMMU (`/dev/vfio/vfio`, `<linux/vfio.h>`): one set of mappings, shared by the devices of all groups
 * that are added to it. Made by `open`.
 *
 * The methods correspond to the kernel calls. The descriptor is closed exactly once. {@link VfioContainer.run} maps memory.
 *
 * @example
 * ```ts
 * import { VfioContainer, VfioGroup } from 'dma-streams/binding';
 *
 * using container = VfioContainer.open();
 * using group = VfioGroup.forDevice('0000:00:04.0');
 * container.addGroup(group);
 * using device = group.openDevice('0000:00:04.0');
 * console.log(container.info.iovaRanges);
 * ```
 */
export class VfioContainer implements Disposable {
  #container: ContainerHandle | undefined;
  #runner: Runner | undefined;
  #rowRunner: RowRunner | undefined;
  #joins = 0;

  private constructor(pass: symbol, container: ContainerHandle) {
    checkPass(pass, VfioContainer);
    this.#container = container;
  }

  /**
   * Opens a new, empty container. On failure: nothing stays open.
   *
   * @throws DmaError `ENOENT` or `ENODEV` if the kernel has no VFIO; `EACCES` without permission; `EOPNOTSUPP` if the kernel has no
   * type1v2 IOMMU driver. The hint has the commands that fix it
   */
  static open(): VfioContainer {
    const what = `cannot open ${PATH}`;
    const container = native().vfioContainerOpen();
    if (typeof container === 'number') {
      const hint = openHint(container, PATH, 'vfio-pci', 'CONFIG_VFIO and CONFIG_VFIO_PCI');
      throw systemError(container, { what, syscall: 'open', hint });
    }
    const supported = native().vfioContainerSupports(container, VFIO_TYPE1V2_IOMMU);
    if (supported <= 0) {
      native().vfioContainerClose(container);
      throw systemError(supported === 0 ? EOPNOTSUPP : supported, {
        what,
        syscall: 'ioctl',
        request: 'VFIO_CHECK_EXTENSION',
        because: 'it offers no type1v2 IOMMU',
        hint: 'As root: modprobe vfio_iommu_type1. Other platforms than x86 and Arm servers have none.',
      });
    }
    return new VfioContainer(PASS, container);
  }

  /**
   * Adds a group to this container. The first group sets up the IOMMU. Each further group shares the mappings, which are applied to it
   * immediately. A group is removed when it and its devices are closed. Adding a group again has no effect.
   *
   * On failure: the group is not in this container.
   *
   * @throws DmaError `EBUSY`, `EPERM` or `EINVAL` if the group is not viable, is in another container, or its IOMMU cannot
   * share the mappings; the hint names the devices that prevent it; `ERR_CLOSED`
   */
  addGroup(group: VfioGroup): void {
    const container = this.#open();
    const handle = VfioGroup.handleOf(group);
    if (VfioGroup.containerOf(group) === container) {
      return;
    }
    const what = `cannot add IOMMU group ${group.number} to the container`;
    const hint = (errno: number): string | undefined => addGroupHint(errno, group.number);
    const added = native().vfioGroupSetContainer(handle, container);
    if (added < 0) {
      throw systemError(added, { what, syscall: 'ioctl', request: 'VFIO_GROUP_SET_CONTAINER', hint: hint(added) });
    }
    // The kernel removes the IOMMU of a container with its last group. So this state is queried, not stored.
    if (native().vfioContainerInfo(container) === EINVAL) {
      const set = native().vfioContainerSetIommu(container, VFIO_TYPE1V2_IOMMU);
      if (set < 0) {
        native().vfioGroupUnsetContainer(handle);
        throw systemError(set, { what, syscall: 'ioctl', request: 'VFIO_SET_IOMMU', hint: hint(set) });
      }
    }
    VfioGroup.setContainer(group, container);
    this.#joins += 1;
  }

  /**
   * Number of groups added so far. Each one can make `info.iovaRanges` smaller.
   *
   * @internal
   */
  get joins(): number {
    return this.#joins;
  }

  /**
   * Properties of the IOMMU for the groups that are currently in the container.
   *
   * `iovaRanges` is ascending. In `pageSizes`, a bit is set for each page size in bytes. `dmaEntriesAvailable` is the number of further
   * mappings; each mapping decrements it. It is `undefined` before Linux 5.10.
   *
   * @throws DmaError `EINVAL` if the container has no group; `ERR_CLOSED`
   */
  get info(): {
    readonly iovaRanges: readonly IovaRange[];
    readonly pageSizes: bigint;
    readonly dmaEntriesAvailable: number | undefined;
  } {
    const info = native().vfioContainerInfo(this.#open());
    if (typeof info === 'number') {
      throw systemError(info, {
        what: 'cannot ask the container about its IOMMU',
        syscall: 'ioctl',
        request: 'VFIO_IOMMU_GET_INFO',
        because: info === EINVAL ? 'it has no group' : undefined,
        hint: info === EINVAL ? 'Add a group first: container.addGroup(VfioGroup.forDevice(pciAddress)).' : undefined,
      });
    }
    return {
      iovaRanges: info.iovaRanges === undefined ? [ENTIRE_ADDRESS_SPACE] : pairs(info.iovaRanges),
      pageSizes: info.pageSizes,
      dmaEntriesAvailable: info.dmaEntriesAvailable,
    };
  }

  /**
   * Runs the rows of a batch in order on this thread: `VFIO_IOMMU_MAP_DMA` and `VFIO_IOMMU_UNMAP_DMA`. A row that fails throws no error.
   *
   * @param options.stopAtFailure whether to stop after the first row that fails. Default: false
   * @returns number of rows that were run; the batch has the result of each
   * @throws DmaError `ERR_CLOSED`
   */
  run(batch: DmaBatch, options: { readonly stopAtFailure?: boolean } = {}): number {
    const container = this.#open();
    if (batch.length === 1) {
      return batch.runRow((this.#rowRunner ??= native().containerRowRunner(container)));
    }
    const runner = this.#runnerOf(container);
    return batch.runNow((rows, results, count) => runner(rows, results, count, options.stopAtFailure === true, false));
  }

  /**
   * Does the same as {@link VfioContainer.run} on a separate thread, for maps that pin many pages. The batch is locked until the promise
   * settles. Closing other objects during that time is safe.
   *
   * @throws DmaError also `EAGAIN` if the process cannot create another thread: no row is run
   */
  runAsync(batch: DmaBatch, options: { readonly stopAtFailure?: boolean } = {}): Promise<number> {
    const runner = this.#runnerOf(this.#open());
    const stop = options.stopAtFailure === true;
    return batch.runLater((rows, results, count) => runner(rows, results, count, stop, true));
  }

  /** Closes the descriptor. The kernel removes the mappings with the last group. Calling it again has no effect. */
  close(): void {
    const container = this.#container;
    this.#container = undefined;
    if (container !== undefined) {
      native().vfioContainerClose(container);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #runnerOf(container: ContainerHandle): Runner {
    return (this.#runner ??= native().containerRunner(container));
  }

  #open(): ContainerHandle {
    if (this.#container === undefined) {
      throw closedError('this VFIO container');
    }
    return this.#container;
  }

  static {
    madeBy(this, 'VfioContainer.open');
    printable(this, (container) => ({ joins: container.#joins, closed: container.#container === undefined }));
  }
}
