import { DmaBatch } from '../../binding/iommu/dma-batch.js';
import type { MemoryRange } from '../../streams/index.js';
import { whenDone, type BadArgument, type Progress } from './batch-answer.js';

/** A VFIO container or an IOAS, which can run a batch. */
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

const STOP = { stopAtFailure: true };

/**
 * Makes kernel calls in order; those of a set in one native call. Long calls, which pin or unpin many pages, run on a separate thread, so
 * that the event loop and other IOMMUs are not blocked. The result is then a promise.
 *
 * Usage: fill the batch that `begin` returns, and run it.
 */
export class IommuCalls {
  readonly #iommu: Iommu;
  /** The batch of the last calls, for reuse. It has no other user. */
  #spare: DmaBatch | undefined;

  constructor(iommu: Iommu) {
    this.#iommu = iommu;
  }

  /** Returns an empty batch, to be run, or discarded if it cannot be filled. */
  begin(): DmaBatch {
    const batch = this.#spare ?? new DmaBatch();
    this.#spare = undefined;
    batch.clear();
    return batch;
  }

  /** A batch with the unmaps of these ranges, from index `first`, up to the first invalid one. */
  beginUnmaps(
    ranges: readonly MemoryRange[],
    first: number,
  ): { readonly batch: DmaBatch; readonly refused: BadArgument | undefined } {
    const batch = this.begin();
    let refused: BadArgument | undefined;
    try {
      for (let index = first; index < ranges.length; index++) {
        batch.unmap(ranges[index] as MemoryRange);
      }
    } catch (error) {
      refused = { refusal: error };
    }
    return { batch, refused };
  }

  /** Makes the only call of the batch. Returns 0 or a negative errno. */
  runOne(batch: DmaBatch): number | Promise<number> {
    if (batch.pages > SMALL_PAGES) {
      return this.#iommu.runAsync(batch).then(() => this.#end(batch, 0));
    }
    this.#iommu.run(batch);
    return this.#end(batch, 0);
  }

  /** Makes the calls of the batch in order, up to the first failure. */
  run(batch: DmaBatch): Progress | Promise<Progress> {
    const progress = (ran: number): Progress => {
      const errno = ran === 0 ? 0 : this.#end(batch, ran - 1);
      return { done: errno < 0 ? ran - 1 : ran, errno };
    };
    if (batch.length === 0) {
      return progress(0);
    }
    return isLarge(batch) ? this.#iommu.runAsync(batch, STOP).then(progress) : progress(this.#iommu.run(batch, STOP));
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
    return whenDone(isLarge(batch) ? this.#iommu.runAsync(batch) : this.#iommu.run(batch), () =>
      ranges.map((_, row) => batch.errnoAt(row)),
    );
  }

  #end(batch: DmaBatch, last: number): number {
    this.#spare = batch;
    return batch.errnoAt(last);
  }
}

function isLarge(batch: DmaBatch): boolean {
  return batch.length > SMALL_ROWS || batch.pages > SMALL_PAGES;
}
