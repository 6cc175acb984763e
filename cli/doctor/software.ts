import { AddressSpace, Memfd } from '../../binding/index.js';
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
  using space = new AddressSpace({ size: PAGE.end });
  using memory = Memfd.create('doctor', PAGE.length);
  const manager = new RegionManager({ vaMapper: space });
  try {
    const target = new SoftIommuTarget();
    await manager.attach(target);
    const region = await manager.addRegion({ name: 'doctor', range: PAGE, type: 'ram' });
    await region.addMapping({
      rangeInRegion: MemoryRange.ofLength(0n, PAGE.length),
      backing: { mappable: memory, fileOffset: 0n },
      writable: true,
    });
    await region.map({ writable: true });
    for (const mapping of manager.snapshot().mappings) {
      space.ensureMapped(mapping);
    }
    space.write(PAGE.start, TEXT);
    if (!target.read(PAGE.start, TEXT.length).equals(TEXT)) {
      throw new Error('the software IOMMU read other bytes than the host wrote');
    }
  } finally {
    await manager.close();
  }
}
