import type { DmaBatch } from '../../binding/iommu/dma-batch.js';
import { SerialQueue } from '../../streams/internal.js';
import type { Iommu } from './iommu-calls.js';

/** Of all containers that this thread of JavaScript programs. */
const turns = new SerialQueue();

/**
 * A VFIO container whose long calls take turns with those of other containers; one that is closed meanwhile fails when its turn comes.
 *
 * Two threads of one process that pin scattered memory by type1 at the same time took 1.3 times what one takes on a quiet machine, and up to
 * 30 times on a busy one (in C++, in a guest with two emulated processors); two processes did not. So it is probably the lock of the
 * address space, under which each run of pages is counted as locked. In turns it is never more than one after the other. iommufd does not need it.
 */
export class OneAtATime implements Iommu {
  readonly #iommu: Iommu;

  constructor(iommu: Iommu) {
    this.#iommu = iommu;
  }

  run(batch: DmaBatch, options?: { readonly stopAtFailure?: boolean }): number {
    return this.#iommu.run(batch, options);
  }

  runAsync(batch: DmaBatch, options?: { readonly stopAtFailure?: boolean }): Promise<number> {
    return turns.run(() => this.#iommu.runAsync(batch, options));
  }
}
