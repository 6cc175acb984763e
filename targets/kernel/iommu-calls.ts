import { DmaBatch } from '../../binding/iommu/dma-batch.js';
import type { MemoryRange } from '../../streams/index.js';
import { whenDone, type BadArgument, type Progress } from './batch-answer.js';

/** A VFIO container, an IOAS or the memory slots of a VM, which can run a batch. */
export interface Iommu {
  run(batch: DmaBatch, options?: { readonly stopAtFailure?: boolean }): number;
  runAsync(batch: DmaBatch, options?: { readonly stopAtFailure?: boolean }): Promise<number>;
}

/**
 * Up to this number of pages in total (2 MiB) and of rows, calls are made synchronously on this thread. The event loop must not be blocked
 * for 10 ms.
 *
 * A call takes the kernel about 0.5 to 3 µs, plus 0.1 to 1.1 µs for each scattered page that it pins or unpins, and five to ten times that
 * on an emulated processor: within both limits, less than 2 ms. Another thread costs 50 µs, which pays off only above these limits.
 */
const SMALL_PAGES = 512;
const SMALL_ROWS = 256;

/** The longest set whose calls are made on this thread. */
export interface InlineLimits {
  readonly rows: number;
  readonly pages: number;
}

const STOP = { stopAtFailure: true };

/**
 * Makes kernel calls in order; those of a set in one native call. Long calls, which pin or unpin many pages, run on a separate thread, so
 * that the event loop and other IOMMUs are not blocked. The result is then a promise.
 */
export class IommuCalls {
  readonly #iommu: Iommu;
  readonly #inline: InlineLimits;
  /** The batch of the last calls, for reuse. It has no other user. */
  #spare: DmaBatch | undefined;

  constructor(iommu: Iommu, inline: InlineLimits = { rows: SMALL_ROWS, pages: SMALL_PAGES }) {
    this.#iommu = iommu;
    this.#inline = inline;
  }

  /**
   * Returns a batch with a row for each item, from index `first`, up to the first for which `put` throws. The next call must be `run` with
   * this batch.
   */
  fill<T>(
    items: readonly T[],
    first: number,
    put: (batch: DmaBatch, item: T) => void,
  ): { readonly batch: DmaBatch; readonly refused: BadArgument | undefined } {
    const batch = this.#spare ?? new DmaBatch();
    this.#spare = undefined;
    batch.clear();
    let refused: BadArgument | undefined;
    try {
      for (let index = first; index < items.length; index++) {
        put(batch, items[index] as T);
      }
    } catch (error) {
      refused = { refusal: error };
    }
    return { batch, refused };
  }

  /** Makes the calls of the batch in order, up to the first failure. */
  run(batch: DmaBatch): Progress | Promise<Progress> {
    const progress = (ran: number): Progress => {
      this.#spare = batch;
      const errno = ran === 0 ? 0 : batch.errnoAt(ran - 1);
      return errno < 0
        ? { done: ran - 1, errno, isCopy: batch.isCopyAt(ran - 1) }
        : { done: ran, errno, isCopy: false };
    };
    if (batch.length === 0) {
      return progress(0);
    }
    return this.#isLarge(batch)
      ? this.#iommu.runAsync(batch, STOP).then(progress)
      : progress(this.#iommu.run(batch, STOP));
  }

  /** Unmaps each of these ranges, and continues after failures. Returns 0 or a negative errno for each. */
  unmapEach(ranges: readonly MemoryRange[]): readonly number[] | Promise<readonly number[]> {
    if (ranges.length === 0) {
      return [];
    }
    const batch = new DmaBatch(ranges.length);
    for (const range of ranges) {
      batch.unmap(range);
    }
    return whenDone(this.#isLarge(batch) ? this.#iommu.runAsync(batch) : this.#iommu.run(batch), () =>
      ranges.map((_, row) => batch.errnoAt(row)),
    );
  }

  #isLarge({ length, pages }: DmaBatch): boolean {
    return length > this.#inline.rows || pages > this.#inline.pages;
  }
}
