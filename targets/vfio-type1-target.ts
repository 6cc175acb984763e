import type { VfioContainer } from '../binding/index.js';
import { DmaError, type DmaMapRequest, type DmaTarget, type MemoryRange } from '../streams/index.js';
import { mapError, unmapError, type Circumstances } from './kernel/explain.js';
import { IommuCalls } from './kernel/iommu-calls.js';
import { lockedMemory } from './kernel/locked-memory.js';
import { preflight } from './kernel/preflight.js';
import { settle } from './kernel/settle.js';

/**
 * Programs a VFIO container with a type1v2 IOMMU, by host virtual address (`VFIO_IOMMU_MAP_DMA`, `VFIO_IOMMU_UNMAP_DMA`).
 *
 * A group must be in the container before the first map. Memory of devices is mapped too, for peer-to-peer DMA. The pointer is computed in
 * native code from the address space that owns the memory. Ranges of more than 2 MiB are mapped and unmapped on another thread.
 */
export class VfioType1Target implements DmaTarget {
  readonly name: string;
  readonly needsVa = true;
  readonly #container: VfioContainer;
  readonly #calls: IommuCalls;
  /** Entries that were left before the first map of this target; `undefined` when the kernel did not tell then. */
  #entriesAtFirst: number | undefined;
  #hasMapped = false;

  constructor(container: VfioContainer, options: { readonly name?: string } = {}) {
    this.name = options.name ?? 'vfio';
    this.#container = container;
    this.#calls = new IommuCalls(container);
  }

  /**
   * Looks at a whole set before its first map: every range against what the IOMMU can map, the entries that are left, the limit of locked
   * memory.
   *
   * @throws DmaError that names the row which cannot fit
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    const { iovaRanges, dmaEntriesAvailable } = this.#container.info;
    const { limit, locked } = lockedMemory();
    preflight(requests, {
      target: this.name,
      request: 'VFIO_IOMMU_MAP_DMA',
      iovaRanges,
      entries: dmaEntriesAvailable,
      pinnable: limit === undefined ? undefined : limit - locked,
    });
  }

  /**
   * On failure: nothing of the range is mapped or pinned.
   *
   * @throws DmaError of the kernel: `EEXIST`, `EINVAL`, `EFAULT`, `ENOMEM`, `ENOSPC`; `ERR_NO_VA`; `ERR_CLOSED`
   */
  mapDma(request: DmaMapRequest): void | Promise<void> {
    const { range, hostVa, writable } = request;
    if (hostVa === undefined) {
      throw noVaError(request, this.name);
    }
    const isFirst = this.#noteEntries();
    const errno = this.#calls.call(range.length, (batch) => {
      batch.mapVa(range, hostVa, writable);
    });
    return settle(errno, (failed) => {
      this.#hasMapped &&= !isFirst;
      return mapError(failed, request, this.#circumstances('VFIO_IOMMU_MAP_DMA'));
    });
  }

  /**
   * On failure: nothing is unmapped.
   *
   * @throws DmaError of the kernel: `EINVAL` when the range cuts a mapping; `ERR_CLOSED`
   */
  unmapDma(range: MemoryRange): void | Promise<void> {
    const errno = this.#calls.call(range.length, (batch) => {
      batch.unmap(range);
    });
    return settle(errno, (failed) => unmapError(failed, range, this.#circumstances('VFIO_IOMMU_UNMAP_DMA')));
  }

  /**
   * How many maps the container holds more than before the first one of this target (`dma_avail`, `struct vfio_iommu_type1_info_dma_avail`).
   * `undefined` before that, and where the kernel does not tell (before Linux 5.10).
   *
   * Somebody else who maps in the same container is counted, too.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  mappedCount(): number | undefined {
    const left = this.#container.info.dmaEntriesAvailable;
    return left === undefined || this.#entriesAtFirst === undefined ? undefined : this.#entriesAtFirst - left;
  }

  /** Before a map: looks how many entries are left, when it is the first. Returns whether it is. */
  #noteEntries(): boolean {
    if (this.#hasMapped) {
      return false;
    }
    this.#hasMapped = true;
    try {
      this.#entriesAtFirst = this.#container.info.dmaEntriesAvailable;
    } catch {
      this.#entriesAtFirst = undefined; // What is wrong, the map says better.
    }
    return true;
  }

  #circumstances(request: string): Circumstances {
    return {
      target: this.name,
      request,
      iovaRanges: () => this.#container.info.iovaRanges,
      entriesLeft: () => this.#container.info.dmaEntriesAvailable,
    };
  }
}

/** A map that has no host virtual address, at a target that maps by it. */
export function noVaError({ range, region }: DmaMapRequest, target: string): DmaError {
  return new DmaError(`${range.toString()} has no host virtual address to map by`, {
    code: 'ERR_NO_VA',
    target,
    region,
    range,
    hint: 'attach the target to a RegionManager with a VA mapper, or put ensureMapped(vaMapper) before it',
  });
}
