import { DmaBatch } from '../../binding/dma-batch.js';

/** What a batch can be run on: a VFIO container, or an IOAS. */
export interface Iommu {
  run(batch: DmaBatch): number;
  runAsync(batch: DmaBatch): Promise<number>;
}

/** Up to this length a call is made at once, on this thread: pinning it takes the kernel well under a millisecond. In bytes. */
const SMALL = 2n << 20n;

/**
 * Single calls of the kernel, one after another. A long one, which pins or unpins many pages, is made on another thread, so that the event
 * loop goes on; then the answer is a promise.
 */
export class IommuCalls {
  readonly #iommu: Iommu;
  /** Of the calls made at once: filled, run and emptied. */
  readonly #batch = new DmaBatch(1);

  constructor(iommu: Iommu) {
    this.#iommu = iommu;
  }

  /** Makes the call that `fill` puts into the batch. 0 or a negative error number. */
  call(length: bigint, fill: (batch: DmaBatch) => void): number | Promise<number> {
    if (length > SMALL) {
      const batch = new DmaBatch(1);
      fill(batch);
      return this.#iommu.runAsync(batch).then(() => batch.errnoAt(0));
    }
    return this.callNow(fill);
  }

  /** As `call`, on this thread whatever its length. */
  callNow(fill: (batch: DmaBatch) => void): number {
    this.#batch.clear();
    fill(this.#batch);
    this.#iommu.run(this.#batch);
    return this.#batch.errnoAt(0);
  }
}
