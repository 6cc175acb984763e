import { PAGE_SHIFT } from '../../streams/internal.js';
import type { IovaRange } from '../../binding/iommu/iova-range.js';
import type { DmaError, DmaMapRequest } from '../../streams/index.js';
import { findMisfit, type Capacity } from './preflight.js';

/** What a target asks the kernel. */
export interface CapacityQuery {
  readonly target: string;
  readonly mapRequest: string;
  /** What can be mapped now. */
  ask(): {
    readonly iovaRanges: readonly IovaRange[];
    /** Entries that are left; `undefined` where there is no limit. */
    readonly entries?: number | undefined;
    /** Bytes that may be pinned still; `undefined` where no limit counts. */
    readonly pinnable: bigint | undefined;
  };
  /** Grows when a device joins: what can be mapped may be less from then on. */
  readonly joins: number;
}

/**
 * What an IOMMU can take still, as far as that is known without asking the kernel for each set: asking takes longer than mapping a hundred
 * pages.
 *
 * The kernel is asked anew when a device has joined, and before a set is refused. In between, what was mapped is counted, and what was
 * unmapped is not: the capacity is never larger than the truth, unless somebody else maps too. What passes then fails in the kernel.
 */
export class CapacityTracker {
  readonly #inquiry: CapacityQuery;
  #known: Capacity | undefined;
  #joins = 0;

  constructor(inquiry: CapacityQuery) {
    this.#inquiry = inquiry;
  }

  /**
   * Finds the first row of a set that cannot fit, before any of it is mapped. A single map is left to the kernel, which says as much.
   *
   * @param isPinned whether the memory is pinned already, and would not be counted again
   * @throws DmaError that names the row, the rule and the cure
   */
  check(requests: readonly DmaMapRequest[], isPinned?: (request: DmaMapRequest) => boolean): void {
    if (requests.length < 2) {
      return;
    }
    const known = this.#known;
    if (
      known !== undefined &&
      this.#joins === this.#inquiry.joins &&
      findMisfit(requests, known, isPinned) === undefined
    ) {
      return;
    }
    const error: DmaError | undefined = findMisfit(requests, this.#ask(), isPinned);
    if (error !== undefined) {
      throw error;
    }
  }

  /** Counts a map, of so many pages. */
  count(pages: number): void {
    const known = this.#known;
    if (known !== undefined) {
      known.entries -= 1;
      known.pages -= pages;
    }
  }

  #ask(): Capacity {
    const { target, mapRequest, joins } = this.#inquiry;
    const { iovaRanges, entries = Infinity, pinnable } = this.#inquiry.ask();
    this.#joins = joins;
    return (this.#known = {
      target,
      request: mapRequest,
      iovaRanges,
      entries,
      pages: pinnable === undefined ? Infinity : Number(pinnable >> PAGE_SHIFT),
    });
  }
}
