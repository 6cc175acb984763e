import { DmaBatch } from '../../binding/dma-batch.js';
import type { MemoryRange } from '../../streams/index.js';
import { whenDone } from './settle.js';

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

/** How far a set of calls got. */
export interface Progress {
  /** Calls that succeeded, from the first on. */
  readonly done: number;
  /** What the kernel says of the next one; 0 when there is none, or it was not asked. */
  readonly errno: number;
  /** Why the next one could not be put to the kernel. */
  readonly refusal?: unknown;
}

/** Puts one call into a batch; throws when it cannot be made. */
export type Put<T> = (batch: DmaBatch, item: T, index: number) => void;

/**
 * Calls of the kernel, one after another; those of a set in one crossing into native code. Long ones, which pin or unpin many pages, are made
 * on a thread of their own, so that the event loop and other IOMMUs go on; then the answer is a promise.
 */
export class IommuCalls {
  readonly #iommu: Iommu;
  /** Of the calls made at once: filled, run and emptied. */
  readonly #batch = new DmaBatch(1);

  constructor(iommu: Iommu) {
    this.#iommu = iommu;
  }

  /** Makes the call that `put` puts into the batch, over this range. 0 or a negative error number. */
  call({ startPage, endPage }: MemoryRange, put: (batch: DmaBatch) => void): number | Promise<number> {
    if (endPage - startPage > SMALL_PAGES) {
      const batch = new DmaBatch(1);
      put(batch);
      return this.#iommu.runAsync(batch).then(() => batch.errnoAt(0));
    }
    const batch = this.#batch;
    batch.clear();
    put(batch);
    this.#iommu.run(batch);
    return batch.errnoAt(0);
  }

  /** Makes the calls of a set, in order, from the item `from` on, up to the first that fails. `done` counts from the first item. */
  set<T>(
    items: readonly T[],
    from: number,
    rangeOf: (item: T) => MemoryRange,
    put: Put<T>,
  ): Progress | Promise<Progress> {
    const later = isLarge(items, from, rangeOf);
    const batch = later ? new DmaBatch(items.length - from) : this.#batch;
    batch.clear();
    let refusal: { readonly refusal: unknown } | undefined;
    for (let index = from; index < items.length; index++) {
      try {
        put(batch, items[index] as T, index);
      } catch (error) {
        refusal = { refusal: error };
        break;
      }
    }
    const progress = (ran: number): Progress => {
      const errno = ran === 0 ? 0 : batch.errnoAt(ran - 1);
      return errno < 0 ? { done: from + ran - 1, errno } : { done: from + ran, errno: 0, ...refusal };
    };
    if (batch.length === 0) {
      return progress(0);
    }
    const stop = { stopAtFailure: true };
    return later ? this.#iommu.runAsync(batch, stop).then(progress) : progress(this.#iommu.run(batch, stop));
  }

  /** Unmaps each of these ranges, past failures. What became of each: 0 or a negative error number. */
  unmapEach(ranges: readonly MemoryRange[]): readonly number[] | Promise<readonly number[]> {
    if (ranges.length === 0) {
      return [];
    }
    const later = isLarge(ranges, 0, itself);
    const batch = new DmaBatch(ranges.length);
    for (const range of ranges) {
      batch.unmap(range);
    }
    return whenDone(later ? this.#iommu.runAsync(batch) : this.#iommu.run(batch), () =>
      ranges.map((_, row) => batch.errnoAt(row)),
    );
  }
}

export function rangeOf({ range }: { readonly range: MemoryRange }): MemoryRange {
  return range;
}

export function itself(range: MemoryRange): MemoryRange {
  return range;
}

function isLarge<T>(items: readonly T[], from: number, rangeOf: (item: T) => MemoryRange): boolean {
  if (items.length - from > SMALL_ROWS) {
    return true;
  }
  let pages = 0;
  for (let index = from; index < items.length && pages <= SMALL_PAGES; index++) {
    const { startPage, endPage } = rangeOf(items[index] as T);
    pages += endPage - startPage;
  }
  return pages > SMALL_PAGES;
}
