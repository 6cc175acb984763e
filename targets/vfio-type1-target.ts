import type { VfioContainer } from '../binding/index.js';
import { checkLabel } from '../binding/checks.js';
import type { BatchStop, DmaMapRequest, DmaTarget, MemoryRange } from '../streams/index.js';
import { EntryCount } from './kernel/entry-count.js';
import { checkHandle } from './kernel/handle-check.js';
import { IommuCalls } from './kernel/iommu-calls.js';
import { KernelTarget, putMapByVa, type KernelInterface } from './kernel/kernel-target.js';
import { lockedMemory } from './kernel/locked-memory.js';
import { OneAtATime } from './kernel/one-at-a-time.js';
import { checkOptions, printable, readable } from '../streams/internal.js';

/**
 * Programs a VFIO container with a type1v2 IOMMU, by host virtual address (`VFIO_IOMMU_MAP_DMA`, `VFIO_IOMMU_UNMAP_DMA`).
 *
 * A group must be in the container before the first map. Device memory is mapped too, for peer-to-peer DMA. Native code computes the
 * pointer from the VA mapper that owns the memory. Ranges of more than 2 MiB, and sets of more than 2 MiB in total or 256 rows, are
 * mapped and unmapped on another thread, one container at a time: concurrent pinning for several containers takes longer than sequential
 * pinning.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { RamBlocks, VfioContainer, VfioGroup } from 'dma-streams/binding';
 * import { VfioType1Target } from 'dma-streams/targets';
 *
 * using memory = new RamBlocks();
 * using container = VfioContainer.open();
 * using group = VfioGroup.forDevice('0000:00:04.0');
 * container.addGroup(group);
 * await using manager = new RegionManager({ vaMapper: memory });
 * await manager.attach(new VfioType1Target(container));
 * ```
 */
export class VfioType1Target implements DmaTarget {
  readonly name: string;
  readonly needsVa = true;
  readonly concurrent = true;
  readonly #kernel: KernelTarget;
  readonly #count: EntryCount;

  /**
   * @param container the caller keeps ownership: close it after the target was detached
   * @param options.name name in errors. Default: `'vfio'`
   * @throws TypeError if it is no VfioContainer, or an option is of the wrong type
   */
  constructor(container: VfioContainer, options: { readonly name?: string } = {}) {
    const { name = 'vfio' } = checkOptions(options, { name: true }, 'VfioType1Target');
    checkHandle(container, 'run', 'a VfioContainer', 'the container of a VfioType1Target');
    checkLabel(name, 'name');
    this.name = name;
    this.#count = new EntryCount(() => container.info.dmaEntriesAvailable);
    this.#kernel = new KernelTarget(type1Interface(this.name, container, this.#count));
  }

  /**
   * The number of entries that were available in the container when this was first read (`dma_avail`), normally when the target is attached.
   * `undefined` while the container has no group, and where the kernel does not report it (before Linux 5.10).
   */
  get maxMaps(): number | undefined {
    return this.#count.availableAtFirst();
  }

  /**
   * Checks a set before its first map: the ranges against the IOVA ranges of the IOMMU, the number of available entries, and the limit of
   * locked memory. A single map is not checked here; the kernel checks it.
   *
   * @throws DmaError for the first request that exceeds a limit; the error names it. Nothing is mapped
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    this.#kernel.checkMaps(requests);
  }

  /**
   * Maps memory. Returns a promise if the map is made on another thread. On failure: no part of the range is mapped or pinned.
   *
   * @throws DmaError of the kernel: `EEXIST`, `EINVAL`, `EFAULT`, `ENOMEM`, `ENOSPC`; `ERR_NO_VA`; `ERR_CLOSED`
   */
  mapDma(request: DmaMapRequest): void | Promise<void> {
    return this.#kernel.mapDma(request);
  }

  /**
   * Makes the maps of a set in order, in one native call, up to the first failure. The failed map and those after it are not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link VfioType1Target.mapDma}
   */
  mapDmaBatch(requests: readonly DmaMapRequest[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#kernel.mapDmaBatch(requests);
  }

  /**
   * Unmaps all mappings inside the range. On failure: nothing is unmapped.
   *
   * @throws DmaError of the kernel: `EINVAL` if the range contains only a part of a mapping; `ERR_CLOSED`
   */
  unmapDma(range: MemoryRange): void | Promise<void> {
    return this.#kernel.unmapDma(range);
  }

  /**
   * Makes the unmaps of a set in order, with one native call, and stops at the first failure. The failed unmap and the unmaps after it are
   * not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link VfioType1Target.unmapDma}
   */
  unmapDmaBatch(ranges: readonly MemoryRange[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#kernel.unmapDmaBatch(ranges);
  }

  /**
   * The number of maps added to the container since the first map of this target (`dma_avail`, `struct vfio_iommu_type1_info_dma_avail`).
   * `undefined` before the first map, and where the kernel does not report it (before Linux 5.10).
   *
   * Maps of other users of the container are counted too. So `Attachment.heal()` does not unmap surplus maps unless it is asked to.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  mappedCount(): number | undefined {
    return this.#count.taken();
  }
}

printable(VfioType1Target, (target) => ({ name: target.name, maxMaps: readable(() => target.maxMaps) }));

function type1Interface(target: string, container: VfioContainer, count: EntryCount): KernelInterface {
  return {
    target,
    calls: new IommuCalls(new OneAtATime(container)),
    mapRequest: () => 'VFIO_IOMMU_MAP_DMA',
    unmapRequest: 'VFIO_IOMMU_UNMAP_DMA',
    iovaRanges: () => container.info.iovaRanges,
    entriesLeft: () => container.info.dmaEntriesAvailable,
    limits() {
      const { iovaRanges, dmaEntriesAvailable: entries } = container.info;
      const { limit, locked } = lockedMemory();
      return { iovaRanges, entries, pinnable: limit === undefined ? undefined : limit - locked };
    },
    joins: () => container.joins,
    putMap(batch, request) {
      putMapByVa(batch, request, target);
    },
    beforeMaps() {
      count.beforeMap();
    },
    afterMaps(_requests, first, end) {
      count.afterMap(end - first);
    },
  };
}
