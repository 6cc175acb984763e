import type { DmaTarget } from '../contracts/dma-target.js';

/**
 * The target of `hostAddresses: 'always'`. It does nothing with the maps. It is the first one of its manager, so that every active mapping has
 * its host address before another target is called, and keeps it until the last one has unmapped.
 */
export function hostAddressTarget(): DmaTarget {
  return {
    name: 'host addresses',
    needsVa: true,
    mapDma: () => undefined,
    unmapDma: () => undefined,
    mapDmaBatch: () => undefined,
    unmapDmaBatch: () => undefined,
  };
}
