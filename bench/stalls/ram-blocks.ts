import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Memfd, RamBlocks } from '../../binding/index.js';
import { MemoryRange, RegionManager, type Region } from '../../streams/index.js';
import { slot } from '../support/scattered.js';
import { edited, type Meter, type Scene } from './scene.js';
import { StallTarget } from './target.js';

/** Times the mappings of the other scenes: a mapping is no memory area of the process, of which there may be 65,530. */
const FACTOR = 10;
const TEN_TIMES = `${FACTOR} times as many mappings of one file`;
const PAGE = 4096;
const FILE_PAGES = 4096;

/** The number of stages so far. Files of earlier ones may be mapped until what holds them is collected. */
let stages = 0;

/** Many mappings of one file in RamBlocks. */
export const ramBlocksScenes: readonly Scene[] = [
  scene(`attach by address, ${TEN_TIMES}`, ({ manager, file, meter }) => async () => {
    await manager.attach(addressTarget(meter));
    checkAreas(file, 1);
  }),
  scene(`hide what has addresses, ${TEN_TIMES}`, async ({ manager, region, file, meter }) => {
    await manager.attach(addressTarget(meter));
    return async () => {
      await region.unmap();
      await areasAreGone(file);
    };
  }),
  scene(`close a manager and its RamBlocks, ${TEN_TIMES}`, async ({ manager, memory, meter }) => {
    await manager.attach(addressTarget(meter));
    return async () => {
      await manager.close();
      memory.close();
    };
  }),
  scene(`close RamBlocks in use, ${TEN_TIMES}`, async ({ manager, memory, meter }) => {
    await manager.attach(addressTarget(meter));
    return () => {
      memory.close();
      return Promise.resolve();
    };
  }),
];

interface Stage {
  readonly meter: Meter;
  readonly memory: RamBlocks;
  readonly manager: RegionManager;
  readonly region: Region;
  /** The name of the file that is mapped. */
  readonly file: string;
}

type Work = () => Promise<unknown>;

function scene(name: string, play: (stage: Stage) => Work | Promise<Work>): Scene {
  return {
    name,
    inBatches: true,
    async setUp(count, meter) {
      stages += 1;
      const file = `dma-streams-stall-${stages}`;
      const ram = Memfd.create(file, BigInt(FILE_PAGES * PAGE));
      const memory = new RamBlocks();
      const manager = new RegionManager({ vaMapper: memory });
      const range = MemoryRange.ofPages(0, 2 ** 36);
      const region = await manager.addRegion({ name: 'ram', type: 'ram', range });
      await region.map({ writable: true });
      await edited(manager, meter, (edit) => {
        for (let index = 0; index < count * FACTOR; index++) {
          const backing = { mappable: ram, fileOffset: BigInt((index % FILE_PAGES) * PAGE) };
          edit.addMapping(region, { rangeInRegion: slot(index), writable: true, backing });
        }
      });
      return play({ meter, memory, manager, region, file });
    },
  };
}

function addressTarget(meter: Meter): StallTarget {
  return new StallTarget(meter, { needsVa: true, batch: true });
}

/** @throws Error if the process maps the file in more, or fewer, memory areas */
function checkAreas(file: string, expected: number): void {
  const areas = countAreas(file);
  if (areas !== expected) {
    throw new Error(`the file is ${areas} memory areas of this process, not ${expected}`);
  }
}

/** Waits until the process maps nothing of the file: a long block is unmapped on another thread. */
async function areasAreGone(file: string): Promise<void> {
  while (countAreas(file) > 0) {
    await turn();
  }
}

function countAreas(file: string): number {
  return readFileSync('/proc/self/maps', 'utf8').split(`/memfd:${file} `).length - 1;
}
