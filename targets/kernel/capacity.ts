import { PAGE_SHIFT } from '../../streams/internal.js';
import type { IovaRange } from '../../binding/iommu/iova-range.js';
import type { DmaError, DmaMapRequest } from '../../streams/index.js';
import { findMisfit, wholePages, type Capacity } from './preflight.js';

/** What can be mapped now, as reported by the kernel. */
export interface Limits {
  readonly iovaRanges: readonly IovaRange[];
  /** Number of available entries; `undefined` if there is no limit. */
  readonly entries?: number | undefined;
  /** Bytes that can still be pinned; `undefined` if no limit applies. */
  readonly pinnable: bigint | undefined;
}

/** The queries of a target to the kernel. */
export interface CapacityQuery {
  readonly target: string;
  /** Name of the request that makes maps, for errors. */
  mapRequest(): string;
  limits(): Limits;
  /** Number of devices added so far. Each one can reduce what can be mapped. */
  joins(): number;
}

/**
 * The remaining capacity of an IOMMU, cached, because a query to the kernel takes longer than mapping a hundred pages.
 *
 * The kernel is queried again after a device was added, and before a set is rejected. In between, maps are counted, and unmaps are not. So
 * the cached capacity is never above the real one, unless another user maps too. In that case the kernel rejects the map.
 */
export class CapacityTracker {
  readonly #query: CapacityQuery;
  #known: Capacity | undefined;
  #joins = 0;

  constructor(query: CapacityQuery) {
    this.#query = query;
  }

  /**
   * Finds the first request of a set that exceeds the capacity, before any is mapped. A single map is not checked: the error of the kernel
   * has the same information.
   *
   * @param isPinned whether the memory is already pinned, and is not counted again
   * @throws DmaError that names the request, the limit and the fix
   */
  check(requests: readonly DmaMapRequest[], isPinned?: (request: DmaMapRequest) => boolean): void {
    if (requests.length < 2) {
      return;
    }
    const known = this.#known;
    if (
      known !== undefined &&
      this.#joins === this.#query.joins() &&
      findMisfit(requests, known, isPinned) === undefined
    ) {
      return;
    }
    const error: DmaError | undefined = findMisfit(requests, this.#ask(), isPinned);
    if (error !== undefined) {
      throw error;
    }
  }

  /** Counts a map of this number of pages. */
  count(pages: number): void {
    const known = this.#known;
    if (known !== undefined) {
      known.entries -= 1;
      known.pages -= pages;
    }
  }

  #ask(): Capacity {
    const query = this.#query;
    const joins = query.joins();
    const { iovaRanges, entries = Infinity, pinnable } = query.limits();
    this.#joins = joins;
    return (this.#known = {
      target: query.target,
      request: query.mapRequest(),
      iovaRanges,
      windows: iovaRanges.map(wholePages),
      entries,
      pages: pinnable === undefined ? Infinity : Number(pinnable >> PAGE_SHIFT),
    });
  }
}
