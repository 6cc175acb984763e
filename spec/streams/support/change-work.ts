/** Run as a worker: counts the executions of pieces of code of `streams/` that one change of a memory map takes. */
import { parentPort } from 'node:worker_threads';
import { RegionManager, type MappingParams, type Region, MemoryRange } from '../../../streams/index.js';
import { ExecutionCounts } from './execution-counts.js';
import { FILE } from './phrases.js';

/** Executions of a change in a memory map of this size. */
export interface ChangeWork {
  readonly change: string;
  readonly size: number;
  readonly times: number;
}

const PAGE = 4096;
const counts = new ExecutionCounts();

function takeCount(): number {
  return counts
    .take()
    .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
    .reduce((sum, { count }) => sum + count, 0);
}

function mappingOf(start: number, end: number): MappingParams {
  return {
    rangeInRegion: MemoryRange.of(start, end),
    backing: { mappable: FILE, fileOffset: BigInt(start) },
    writable: true,
  };
}

interface Map {
  readonly manager: RegionManager;
  readonly ram: Region;
}

/** RAM with one mapping over all of it, and one more page without. */
async function ramOf(pages: number): Promise<Map> {
  const manager = new RegionManager({ overlap: 'any' });
  await manager.attach({ name: 'T', mapDma: () => undefined, unmapDma: () => undefined });
  const ram = await manager.addRegion({ name: 'ram', range: MemoryRange.of(0, (pages + 2) * PAGE), type: 'ram' });
  await ram.addMapping(mappingOf(0, pages * PAGE));
  await ram.map({ writable: true });
  return { manager, ram };
}

/** Covers every second page of the mapping. */
async function inPieces(size: number): Promise<Map> {
  const map = await ramOf(2 * size + 2);
  await map.manager.transaction((edit) => {
    for (let index = 0; index < size; index++) {
      const range = MemoryRange.ofLength((2 * index + 1) * PAGE, PAGE);
      edit.map(edit.addRegion({ name: `hole ${index}`, range, type: 'device', priority: 1 }), { writable: true });
    }
  });
  return map;
}

/** Puts `size` regions over each other, each one page further than the one before, all of them above the mapping. */
async function underOverlaps(size: number): Promise<Map> {
  const map = await ramOf(2 * size + 2);
  await map.manager.transaction((edit) => {
    for (let index = 0; index < size; index++) {
      const range = MemoryRange.ofLength(index * PAGE, size * PAGE);
      const above = edit.addRegion({ name: `above ${index}`, range, type: 'device', priority: 1 + index });
      edit.map(above, { writable: true });
    }
  });
  return map;
}

/** Adds and removes a mapping of the lowest region, at an address that nothing covers. */
async function mappingBeside({ ram }: Map): Promise<void> {
  const { length } = ram.range;
  const last = mappingOf(Number(length) - PAGE, Number(length));
  await ram.addMapping(last);
  await ram.removeMappings(last.rangeInRegion);
}

/** Shows and hides an overlay of one page. */
async function overlayOfOnePage(
  { manager, ram }: Map,
  work: (change: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const start = Number(ram.range.length) - 4 * PAGE;
  const overlay = await manager.addRegion({
    name: 'overlay',
    range: MemoryRange.ofLength(start, PAGE),
    type: 'ram',
    priority: 1e6,
  });
  await overlay.addMapping(mappingOf(0, PAGE));
  await work(async () => {
    await overlay.map({ writable: true });
    await overlay.unmap();
  });
}

const CHANGES: Readonly<
  Record<string, (size: number, count: (change: () => Promise<void>) => Promise<void>) => Promise<void>>
> = {
  'a mapping in a region with as many pieces': async (size, count) => {
    const map = await inPieces(size);
    await count(() => mappingBeside(map));
  },
  'an overlay of one page over a region with as many pieces': async (size, count) => {
    await overlayOfOnePage(await inPieces(size), count);
  },
  'a mapping under as many regions that overlap': async (size, count) => {
    const map = await underOverlaps(size);
    await count(() => mappingBeside(map));
  },
};

for (const [change, play] of Object.entries(CHANGES)) {
  for (const size of [100, 1000, 10_000]) {
    if (size > 1000 && change.includes('overlap')) {
      continue;
    }
    await play(size, async (work) => {
      await work();
      takeCount();
      await work();
      parentPort?.postMessage({ change, size, times: takeCount() } satisfies ChangeWork);
    });
  }
}
counts[Symbol.dispose]();
