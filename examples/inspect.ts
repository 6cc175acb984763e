/**
 * A page that shows the memory of a running machine, and what two devices hold of it. Every few seconds a memory module is plugged in. The
 * IOMMU of the disk has few entries: when they are used up, the module is refused, with a hint, and all modules are taken out again.
 *
 *     node node_modules/dma-streams/dist/examples/inspect.js    # in a clone: npm run inspect
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryRange, RegionManager, type Region } from 'dma-streams';
import { Memfd, RamBlocks } from 'dma-streams/binding';
import { serveInspector } from 'dma-streams/inspect';
import { SoftIommuTarget } from 'dma-streams/targets';

const KiB = 1n << 10n;
const MiB = 1n << 20n;
const GiB = 1n << 30n;

using memory = new RamBlocks();
using ram = Memfd.create('ram', 4n * GiB);
using flash = Memfd.create('flash', 4n * MiB);
await using manager = new RegionManager({ overlap: 'any', vaMapper: memory });
await manager.attach(new SoftIommuTarget({ name: 'nic' }));
await manager.attach(new SoftIommuTarget({ name: 'disk', entryLimit: 8 }));

const page = await serveInspector(manager, { port: Number(process.env['PORT'] ?? 0), description: 'a PC' });
console.log(`Open ${page.url} in a browser. Ctrl-C ends it.`);

const interrupted = new AbortController();
process.once('SIGINT', () => {
  interrupted.abort();
});

/** Adds a region and maps it. Without a file it is a hole, which covers what is below it. */
async function plug(name: string, range: MemoryRange, priority: number, file?: Memfd, offset = 0n): Promise<Region> {
  return manager.transaction((edit) => {
    const region = edit.addRegion({ name, range, priority, type: 'ram' });
    const writable = file === ram;
    if (file !== undefined) {
      const rangeInRegion = MemoryRange.ofLength(0, range.length);
      edit.addMapping(region, { rangeInRegion, backing: { mappable: file, fileOffset: offset }, writable });
    }
    edit.map(region, { writable: true });
    return region;
  });
}

await plug('low memory', MemoryRange.of(0, 3n * GiB), 0, ram);
await plug('high memory', MemoryRange.ofLength(4n * GiB, 512n * MiB), 0, ram, 3n * GiB);
await plug('VGA window', MemoryRange.of(640n * KiB, 768n * KiB), 1);
await plug('BIOS', MemoryRange.of(896n * KiB, MiB), 1, flash, 4n * MiB - 128n * KiB);
await plug('flash', MemoryRange.of(4n * GiB - 4n * MiB, 4n * GiB), 0, flash);

const modules: Region[] = [];
while (!interrupted.signal.aborted) {
  const slot = BigInt(modules.length);
  const range = MemoryRange.ofLength(5n * GiB + slot * 128n * MiB, 128n * MiB);
  try {
    modules.push(await plug(`module ${slot}`, range, 0, ram, 3n * GiB + 512n * MiB + slot * 128n * MiB));
  } catch {
    // The page shows what was wrong, and what to do.
    await manager.transaction((edit) => {
      for (const module of modules.splice(0)) {
        edit.removeRegion(module);
      }
    });
  }
  await sleep(3000, undefined, { signal: interrupted.signal }).catch(() => undefined);
}
await page.close();
