import { DmaBatch } from '../../binding/iommu/dma-batch.js';
import type { MemoryRange } from '../../streams/index.js';
import { whenDone, type BadArgument, type Progress } from './batch-answer.js';

/** What a batch can be run on: a VFIO container, or an IOAS. */
export interface Iommu {
  run(batch: DmaBatch, options?: { readonly stopAtFailure?: boolean }): number;
  runAsync(batch: DmaBatch, options?: { readonly stopAtFailure?: boolean }): Promise<number>;
}

/**
 * Up to so many pages in all, 2 MiB, and so many rows, calls are made at once, on this thread: an event loop may not stand still for 10 ms.
 *
 * A call costs the kernel some 0.5 to 3 µs and another 0.1 to 1.1 µs for each scattered page that it pins or unpins, five to ten times that
 * where the processor is emulated: both bounds together stay below 2 ms. Another thread costs 50 µs, which more rows, or more pages, make up
 * for.
 */
const SMALL_PAGES = 512;
const SMALL_ROWS = 256;

const STOP = { stopAtFailure: true };

/**
 * Calls of the kernel, one after another; those of a set in one crossing into native code. Long ones, which pin or unpin many pages, are made
 * on a thread of their own, so that the event loop and other IOMMUs go on; then the answer is a promise.
 *
 * To make some: fill what `begin` gives, and run it.
 */
export class IommuCalls {
  readonly #iommu: Iommu;
  /** That of the last calls, to be filled again; nobody's else. */
  #spare: DmaBatch | undefined;

  constructor(iommu: Iommu) {
    this.#iommu = iommu;
  }

  /** An empty batch, to be run, or dropped when it cannot be filled. */
  begin(): DmaBatch {
    const batch = this.#spare ?? new DmaBatch();
    this.#spare = undefined;
    batch.clear();
    return batch;
  }

  /** A batch of the unmaps of these ranges, from number `first` on, up to one that cannot be put to the kernel. */
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

  /** Makes the one call in it. 0 or a negative error number. */
  runOne(batch: DmaBatch): number | Promise<number> {
    if (batch.pages > SMALL_PAGES) {
      return this.#iommu.runAsync(batch).then(() => this.#end(batch, 0));
    }
    this.#iommu.run(batch);
    return this.#end(batch, 0);
  }

  /** Makes the calls in it, in order, up to the first that fails. */
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

  /** Unmaps each of these ranges, past failures. What became of each: 0 or a negative error number. */
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
