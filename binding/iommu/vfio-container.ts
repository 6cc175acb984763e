import { checkPass, PASS } from '../constructor-pass.js';
import { ERRNO } from '../../streams/internal.js';
import { closedError, systemError } from '../errors.js';
import type { DmaBatch } from './dma-batch.js';
import { pairs } from './iova-range.js';
import type { IovaRange } from './iova-range.js';
import { native } from '../native.js';
import type { ContainerHandle, RowRunner, Runner } from '../native.js';
import { VfioGroup } from './vfio-group.js';
import { addGroupHint, openHint } from './open-hints.js';

/** Of <linux/vfio.h>. */
const VFIO_TYPE1V2_IOMMU = 3;

const { EINVAL, EOPNOTSUPP } = ERRNO;
const ENTIRE_ADDRESS_SPACE = { start: 0n, last: (1n << 64n) - 1n };
const PATH = '/dev/vfio/vfio';

/**
 * A VFIO container with a type1v2 IOMMU: one set of mappings for the devices of all groups that are added to it.
 *
 * Thin: it does what the kernel does (`/dev/vfio/vfio`, `<linux/vfio.h>`), and closes its descriptor once. Mapping is
 * {@link VfioContainer.run}.
 */
export class VfioContainer implements Disposable {
  #container: ContainerHandle | undefined;
  #runner: Runner | undefined;
  #rowRunner: RowRunner | undefined;
  #joins = 0;

  private constructor(pass: symbol, container: ContainerHandle) {
    checkPass(pass, 'a VfioContainer is made by VfioContainer.open');
    this.#container = container;
  }

  /**
   * @throws DmaError `ENOENT` or `ENODEV` without VFIO in the kernel, `EACCES` without permission, `EOPNOTSUPP` when the
   * kernel has no type1v2 IOMMU driver; each with the commands that cure it
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
   * Puts a group into this container. The first one sets the IOMMU up; another one shares its mappings, and is mapped them
   * at once. A group leaves when it and its devices are closed. Adding it again: nothing.
   *
   * On failure: the group is in no container.
   *
   * @throws DmaError `EBUSY`, `EPERM` or `EINVAL` when the group is not viable, is in another container, or its IOMMU cannot
   * share; the hint names the devices in the way; `ERR_CLOSED`
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
    // Of a container whose last group has left, the kernel has taken the IOMMU away again: so it is asked, not remembered.
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
   * Grows when a group is added: `info` may leave out more from then on.
   *
   * @internal
   */
  get joins(): number {
    return this.#joins;
  }

  /**
   * What the IOMMU can do for the groups that are in now.
   *
   * `iovaRanges` is ascending; `pageSizes` has a bit set for each page size; `dmaEntriesAvailable` counts down with each
   * mapping, and is `undefined` before Linux 5.10.
   *
   * @throws DmaError `EINVAL` before a group was added; `ERR_CLOSED`
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
   * Runs the rows of a batch, one after another, on this thread: `VFIO_IOMMU_MAP_DMA` and `VFIO_IOMMU_UNMAP_DMA`.
   *
   * @param options.stopAtFailure end with the first row that fails. Default: false
   * @returns how many rows were run; what became of each is in the batch
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
   * As {@link VfioContainer.run}, on a thread of its own: for maps that pin much. The batch is locked until it resolves;
   * closing anything meanwhile does not disturb it.
   *
   * @throws DmaError also `EAGAIN` when the process can have no more threads: nothing was run
   */
  runAsync(batch: DmaBatch, options: { readonly stopAtFailure?: boolean } = {}): Promise<number> {
    const runner = this.#runnerOf(this.#open());
    const stop = options.stopAtFailure === true;
    return batch.runLater((rows, results, count) => runner(rows, results, count, stop, true));
  }

  /** Closes the descriptor. The mappings go with the last group. Again: nothing. */
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
}
