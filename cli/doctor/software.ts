import { Memfd, RamBlocks } from '../../binding/index.js';
import { MemoryRange, RegionManager } from '../../streams/index.js';
import { SoftIommuTarget } from '../../targets/index.js';

const PAGE = MemoryRange.ofPages(1, 2);
const TEXT = Buffer.from('from the host, by DMA');

/**
 * Maps a page of guest memory at a software IOMMU, writes to the page on the host, and reads it back through the IOMMU.
 *
 * @throws the error of the step that failed; all resources are released
 */
export async function trySoftware(): Promise<void> {
  using memory = new RamBlocks();
  using file = Memfd.create('doctor', PAGE.length);
  const manager = new RegionManager({ vaMapper: memory });
  try {
    const target = new SoftIommuTarget();
    await manager.attach(target);
    const region = await manager.addRegion({ name: 'doctor', range: PAGE, type: 'ram' });
    await region.addMapping({
      rangeInRegion: MemoryRange.ofLength(0n, PAGE.length),
      backing: { mappable: file, fileOffset: 0n },
      writable: true,
    });
    await region.map({ writable: true });
    memory.write(PAGE.start, TEXT);
    if (!target.read(PAGE.start, TEXT.length).equals(TEXT)) {
      throw new Error('the software IOMMU read other bytes than the host wrote');
    }
  } finally {
    await manager.close();
  }
}
