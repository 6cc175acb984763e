/**
 * A device is hot-plugged into a running machine, and unplugged again: all existing memory is mapped at its IOMMU, every change is
 * applied, and everything is unmapped at the end. A failed attach is rolled back completely.
 */
import { DmaMapError, MemoryRange, RegionManager } from 'dma-streams';
import { Memfd, RamBlocks } from 'dma-streams/binding';
import { LoggingTarget, SoftIommuTarget } from 'dma-streams/targets';

const MiB = 1n << 20n;

using memory = new RamBlocks();
using ram = Memfd.create('ram', 64n * MiB);
await using manager = new RegionManager({ vaMapper: memory });
await manager.attach(new LoggingTarget());

// The machine runs, with four regions of 16 MiB.
const regions = await manager.transaction((edit) =>
  [0n, 1n, 2n, 3n].map((number) => {
    const range = MemoryRange.ofLength(number * 32n * MiB, 16n * MiB);
    return edit.addRam({ name: `dimm ${number}`, range, backing: ram, fileOffset: number * 16n * MiB });
  }),
);

// The IOMMU of this device holds only three mappings: the attach fails, and the three are unmapped.
const small = new SoftIommuTarget({ name: 'small', entryLimit: 3 });
try {
  await manager.attach(small);
} catch (error) {
  if (!(error instanceof DmaMapError)) {
    throw error;
  }
  console.log(`refused: ${error.message}`);
  console.log(`hint: ${error.hint ?? 'none'}`);
  console.log(`taken back: ${error.undone.map(({ range }) => range.toString()).join(', ')}`);
}
console.log(`the small one holds ${small.mappedRanges().length} mappings`);

// This IOMMU is large enough. A command during the attach waits for its end: it is applied exactly once.
const iommu = new SoftIommuTarget({ name: 'iommu' });
const attaching = manager.attach(iommu, {
  onProgress: ({ done, total }) => {
    console.log(`attached ${(100n * done) / total} %`);
  },
});
const unplugged = regions[3]?.remove();
const attachment = await attaching;
await unplugged;
console.log(`iommu holds ${iommu.mappedRanges().join(', ')}`);

await attachment.detach();
console.log(`after the detach it holds ${iommu.mappedRanges().length} mappings`);
