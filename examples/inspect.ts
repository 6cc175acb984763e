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

const rom = { backing: flash, writable: false };
await manager.addRam({ name: 'low memory', range: MemoryRange.of(0, 3n * GiB), backing: ram });
await manager.addRam({
  name: 'high memory',
  range: MemoryRange.ofLength(4n * GiB, 512n * MiB),
  backing: ram,
  fileOffset: 3n * GiB,
});
await manager.addRam({ name: 'flash', range: MemoryRange.of(4n * GiB - 4n * MiB, 4n * GiB), ...rom });
await manager.addRam({
  name: 'BIOS',
  range: MemoryRange.of(896n * KiB, MiB),
  priority: 1,
  ...rom,
  fileOffset: 4n * MiB - 128n * KiB,
});
// Without memory, a region is a hole: it covers what is below it.
const vga = await manager.addRegion({
  name: 'VGA window',
  range: MemoryRange.of(640n * KiB, 768n * KiB),
  priority: 1,
  type: 'device',
});
await vga.map({ writable: true });

const modules: Region[] = [];
while (!interrupted.signal.aborted) {
  const slot = BigInt(modules.length);
  const range = MemoryRange.ofLength(5n * GiB + slot * 128n * MiB, 128n * MiB);
  try {
    const fileOffset = 3n * GiB + 512n * MiB + slot * 128n * MiB;
    modules.push(await manager.addRam({ name: `module ${slot}`, range, backing: ram, fileOffset }));
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
