import { MemoryRange, RegionManager, type Region, type RegionManagerOptions } from '../../streams/index.js';
import { mapping } from './scattered.js';

export interface Filled {
  readonly manager: RegionManager;
  readonly region: Region;
}

/** A manager with one large visible region, and so many mappings in it, each in a slot of its own. */
export async function filled(count: number, options: RegionManagerOptions = {}): Promise<Filled> {
  const manager = new RegionManager(options);
  const region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 2 ** 36) });
  await region.map({ writable: true });
  await manager.transaction((edit) => {
    for (let index = 0; index < count; index++) {
      edit.addMapping(region, mapping(index));
    }
  });
  return { manager, region };
}
