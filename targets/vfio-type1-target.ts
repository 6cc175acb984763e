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
 * A group must be in the container before the first map. Memory of devices is mapped too, for peer-to-peer DMA. The pointer is computed in
 * native code from the address space that owns the memory. Ranges of more than 2 MiB, and sets of more than 2 MiB in all or 256 rows, are
 * mapped and unmapped on another thread, one container at a time: pinning at several at once takes longer than one after the other.
 */
export class VfioType1Target implements DmaTarget {
  readonly name: string;
  readonly needsVa = true;
  readonly concurrent = true;
  readonly #container: VfioContainer;
  readonly #calls: IommuCalls;
  readonly #capacity: CapacityTracker;
  readonly #count: EntryCount;

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
   * Looks at a whole set before its first map: every range against what the IOMMU can map, the entries that are left, the limit of locked
   * memory. A single map is left to the kernel.
   *
   * @throws DmaError that names the row which cannot fit
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    this.#capacity.check(requests);
  }

  /**
   * On failure: nothing of the range is mapped or pinned.
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
   * The maps of a set, in order, in one call to native code, up to the first that fails: nothing of that one and of those after it is mapped.
   *
   * The error in the answer is as of {@link VfioType1Target.mapDma}.
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
   * On failure: nothing is unmapped.
   *
   * @throws DmaError of the kernel: `EINVAL` when the range cuts a mapping; `ERR_CLOSED`
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
   * The unmaps of a set, in order, in one call to native code, up to the first that fails: nothing of that one and of those after it is
   * unmapped.
   *
   * The error in the answer is as of {@link VfioType1Target.unmapDma}.
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
   * How many maps the container holds more than before the first one of this target (`dma_avail`, `struct vfio_iommu_type1_info_dma_avail`).
   * `undefined` before that, and where the kernel does not tell (before Linux 5.10).
   *
   * Somebody else who maps in the same container is counted, too: `Attachment.heal()` leaves what is too much, unless it is asked to unmap it.
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
