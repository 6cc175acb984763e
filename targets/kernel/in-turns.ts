import type { DmaBatch } from '../../binding/dma-batch.js';
import { CommandQueue } from '../../streams/command-queue.js';
import type { Iommu } from './iommu-calls.js';

/** Of all containers that this thread of JavaScript programs. */
const turns = new CommandQueue();

/**
 * A VFIO container whose long calls take turns with those of other containers; one that is closed meanwhile fails when its turn comes.
 *
 * The kernel counts each run of pages that type1 pins as locked under the lock of the address space of the process. Two threads that
 * pin scattered memory hand that lock to and fro: at the same time they take a multiple of what they take one after the other (measured in
 * C++, on an emulated processor, with a container each: 30 times). iommufd counts without that lock.
 */
export class InTurns implements Iommu {
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
