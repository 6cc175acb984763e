import type { DmaBatch } from '../../binding/iommu/dma-batch.js';
import { SerialQueue } from '../../streams/internal.js';
import type { Iommu } from './iommu-calls.js';

/** The queue of all containers of this JavaScript thread. */
const turns = new SerialQueue();

/**
 * A VFIO container whose long calls are serialized with those of other containers. A call on a container that was closed in the meantime
 * fails.
 *
 * Two threads of one process that pin scattered memory through type1 concurrently took 1.3 times as long as one on an idle machine, and up
 * to 30 times on a busy one (in C++, in a guest with two emulated processors); two processes did not. The probable cause is the lock of the
 * address space, under which each run of pages is charged as locked. Serialized calls never take longer than their sum. iommufd does not
 * need this.
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
