import type { DmaBatch, VfioContainer } from '../binding/index.js';
import { DmaError, type BatchStop, type DmaMapRequest, type DmaTarget, type MemoryRange } from '../streams/index.js';
import { CapacityTracker } from './kernel/capacity.js';
import { EntryCount } from './kernel/entry-count.js';
import { mapError, noVaError, unmapError, type ErrorContext } from './kernel/kernel-errors.js';
import { OneAtATime } from './kernel/one-at-a-time.js';
import { IommuCalls } from './kernel/iommu-calls.js';
import { lockedMemory } from './kernel/locked-memory.js';
import { toBatchStop, whenDone, type BadArgument } from './kernel/batch-answer.js';

/**
 * Programs a VFIO container with a type1v2 IOMMU, by host virtual address (`VFIO_IOMMU_MAP_DMA`, `VFIO_IOMMU_UNMAP_DMA`).
 *
 * A group must be in the container before the first map. Device memory is mapped too, for peer-to-peer DMA. Native code computes the
 * pointer from the address space that owns the memory. Ranges of more than 2 MiB, and sets of more than 2 MiB in total or 256 rows, are
 * mapped and unmapped on another thread, one container at a time: concurrent pinning for several containers takes longer than sequential
 * pinning.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { AddressSpace, VfioContainer, VfioGroup } from 'dma-streams/binding';
 * import { VfioType1Target } from 'dma-streams/targets';
 *
 * using space = new AddressSpace({ size: 1n << 40n });
 * using container = VfioContainer.open();
 * using group = VfioGroup.forDevice('0000:00:04.0');
 * container.addGroup(group);
 * await using manager = new RegionManager({ vaMapper: space });
 * await manager.attach(new VfioType1Target(container));
 * ```
 */
export class VfioType1Target implements DmaTarget {
  readonly name: string;
  readonly needsVa = true;
  readonly concurrent = true;
  readonly #container: VfioContainer;
  readonly #calls: IommuCalls;
  readonly #capacity: CapacityTracker;
  readonly #count: EntryCount;

  /**
   * @param container the caller keeps ownership: close it after the target was detached
   * @param options.name name in errors. Default: `'vfio'`
   */
  constructor(container: VfioContainer, options: { readonly name?: string } = {}) {
    this.name = options.name ?? 'vfio';
    this.#container = container;
    this.#calls = new IommuCalls(new OneAtATime(container));
    this.#count = new EntryCount(() => container.info.dmaEntriesAvailable);
    this.#capacity = new CapacityTracker({
      target: this.name,
      mapRequest: 'VFIO_IOMMU_MAP_DMA',
      ask() {
        const { iovaRanges, dmaEntriesAvailable: entries } = container.info;
        const { limit, locked } = lockedMemory();
        return { iovaRanges, entries, pinnable: limit === undefined ? undefined : limit - locked };
      },
      get joins() {
        return container.joins;
      },
    });
  }

  /**
   * Checks a set before its first map: the ranges against the IOVA ranges of the IOMMU, the number of available entries, and the limit of
   * locked memory. A single map is not checked here; the kernel checks it.
   *
   * @throws DmaError for the first request that exceeds a limit; the error names it. Nothing is mapped
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    this.#capacity.check(requests);
  }

  /**
   * Maps memory. Returns a promise if the map is made on another thread. On failure: no part of the range is mapped or pinned.
   *
   * @throws DmaError of the kernel: `EEXIST`, `EINVAL`, `EFAULT`, `ENOMEM`, `ENOSPC`; `ERR_NO_VA`; `ERR_CLOSED`
   */
  mapDma(request: DmaMapRequest): void | Promise<void> {
    this.#count.beforeMap();
    const batch = this.#calls.begin();
    this.#putMap(batch, request);
    const errno = this.#calls.runOne(batch);
    return whenDone(errno, (known): void => {
      if (known < 0) {
        throw this.#mapError(known, request);
      }
      this.#count.afterMap(1);
    });
  }

  /**
   * Makes the maps of a set in order, in one native call, up to the first failure. The failed map and those after it are not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link VfioType1Target.mapDma}
   */
  mapDmaBatch(requests: readonly DmaMapRequest[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    this.#count.beforeMap();
    const batch = this.#calls.begin();
    let refused: BadArgument | undefined;
    try {
      for (const request of requests) {
        this.#putMap(batch, request);
      }
    } catch (error) {
      refused = { refusal: error };
    }
    return whenDone(this.#calls.run(batch), (known) => {
      this.#count.afterMap(known.done);
      return toBatchStop(known, requests, refused, (failed, request, rest) => this.#mapError(failed, request, rest));
    });
  }

  /**
   * Unmaps all mappings inside the range. On failure: nothing is unmapped.
   *
   * @throws DmaError of the kernel: `EINVAL` if the range contains only a part of a mapping; `ERR_CLOSED`
   */
  unmapDma(range: MemoryRange): void | Promise<void> {
    const batch = this.#calls.begin();
    batch.unmap(range);
    return whenDone(this.#calls.runOne(batch), (known): void => {
      if (known < 0) {
        throw this.#unmapError(known, range);
      }
    });
  }

  /**
   * Makes the unmaps of a set in order, with one native call, and stops at the first failure. The failed unmap and the unmaps after it are
   * not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link VfioType1Target.unmapDma}
   */
  unmapDmaBatch(ranges: readonly MemoryRange[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    const { batch, refused } = this.#calls.beginUnmaps(ranges, 0);
    return whenDone(this.#calls.run(batch), (known) =>
      toBatchStop(known, ranges, refused, (failed, range) => this.#unmapError(failed, range)),
    );
  }

  #putMap(batch: DmaBatch, request: DmaMapRequest): void {
    const { range, hostVa, writable } = request;
    if (hostVa === undefined) {
      throw noVaError(request, this.name);
    }
    batch.mapVa(range, hostVa, writable);
    this.#capacity.count(range.endPage - range.startPage);
  }

  #mapError(errno: number, request: DmaMapRequest, rest: readonly DmaMapRequest[] = [request]): DmaError {
    return mapError(errno, request, { ...this.#errorContext('VFIO_IOMMU_MAP_DMA'), rest });
  }

  #unmapError(errno: number, range: MemoryRange): DmaError {
    return unmapError(errno, range, this.#errorContext('VFIO_IOMMU_UNMAP_DMA'));
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

  #errorContext(request: string): ErrorContext {
    return {
      target: this.name,
      request,
      iovaRanges: () => this.#container.info.iovaRanges,
      entriesLeft: () => this.#container.info.dmaEntriesAvailable,
    };
  }
}
