import { AddressSpace, Memfd } from '../../binding/index.js';
import { MemoryRange, RegionManager } from '../../streams/index.js';
import { slot } from '../support/scattered.js';
import { edited, type Scene } from './scene.js';

import { StallTarget } from './target.js';

const PAGE = 4096n;
/** Each mapping is a memory area of its own, and the kernel lets a process have 65,530, unless told otherwise. */
const AREAS = 20_000;

/** Memory in this process: what the kernel takes back takes its time. */
export const memoryScenes: readonly Scene[] = [
  {
    name: 'close an address space with much memory',
    setUp(count) {
      const ram = Memfd.create('ram', BigInt(count) * PAGE);
      const space = spaceOf(ram, count);
      ram.close();
      return Promise.resolve(() => {
        space.close();
        return Promise.resolve();
      });
    },
  },
  {
    name: 'close a file with much memory',
    setUp(count) {
      const ram = Memfd.create('ram', BigInt(count) * PAGE);
      const space = spaceOf(ram, count);
      space.close();
      return Promise.resolve(() => {
        ram.close();
        return Promise.resolve();
      });
    },
  },
  {
    name: 'hide what is mapped in an address space',
    async setUp(given, meter) {
      const count = Math.min(given, AREAS);
      const ram = Memfd.create('ram', BigInt(count) * PAGE);
      const manager = new RegionManager({ vaMapper: new AddressSpace({ size: 1n << 40n }) });
      await manager.attach(new StallTarget(meter, { needsVa: true }));
      const range = MemoryRange.ofPages(0, 2 ** 28);
      const region = await manager.addRegion({ name: 'ram', type: 'ram', range });
      await edited(manager, meter, (edit) => {
        for (let index = 0; index < count; index++) {
          const backing = { mappable: ram, fileOffset: BigInt(index) * PAGE };
          edit.addMapping(region, { rangeInRegion: slot(index), writable: true, backing });
        }
      });
      await region.map({ writable: true });
      return () => region.unmap();
    },
  },
];

/** An address space in which a file is mapped whole, and every page of it is there. */
function spaceOf(ram: Memfd, pages: number): AddressSpace {
  const space = new AddressSpace({ size: BigInt(pages) * PAGE });
  const range = MemoryRange.ofPages(0, pages);
  space.ensureMapped({ range, region: 'ram', type: 'ram', writable: true, backing: { mappable: ram, fileOffset: 0n } });
  const page = Buffer.alloc(Number(PAGE), 1);
  for (let index = 0; index < pages; index++) {
    space.write(BigInt(index) * PAGE, page);
  }
  return space;
}
