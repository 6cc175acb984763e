/**
 * What does a mapping cost in memory, in the manager and at each target that follows? What does an address space cost that holds
 * nothing yet?
 */
import { readFileSync } from 'node:fs';
import { AddressSpace } from '../binding/index.js';
import { MemoryRange, RegionManager, type Region } from '../streams/index.js';
import { printFigures } from './support/report.js';
import { slot } from './support/scattered.js';

const MAPPINGS = 100_000;
const MiB = 2 ** 20;

/** Bytes of heap in use after everything that can be collected has been. */
function heapUsed(): number {
  if (globalThis.gc === undefined) {
    throw new Error('run with node --expose-gc');
  }
  for (let round = 0; round < 4; round++) {
    globalThis.gc();
  }
  return process.memoryUsage().heapUsed;
}

/** Memory of this process that is really there, in bytes (proc(5), VmRSS). */
function resident(): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(line?.[1]) * 1024;
}

async function fill(manager: RegionManager, region: Region): Promise<void> {
  const mappable = { fd: 0, label: 'bench' };
  await manager.transaction((edit) => {
    for (let index = 0; index < MAPPINGS; index++) {
      const fileOffset = BigInt(index) * 4096n;
      edit.addMapping(region, { rangeInRegion: slot(index), backing: { mappable, fileOffset }, writable: true });
    }
  });
}

const manager = new RegionManager();
const region = await manager.addRegion({ name: 'ram', type: 'ram', range: MemoryRange.ofPages(0, 2 ** 36) });
await region.map({ writable: true });
const empty = heapUsed();
await fill(manager, region);
const filled = heapUsed();
await manager.attach({ name: 'idle', mapDma: () => undefined, unmapDma: () => undefined });
const followed = heapUsed();

const before = resident();
using space = new AddressSpace({ size: 1n << 40n });
const reserved = resident();

printFigures(`memory, ${MAPPINGS.toLocaleString('en')} mappings`, [
  { name: 'a mapping, in the manager', value: (filled - empty) / MAPPINGS, unit: 'bytes of heap' },
  { name: 'a mapping, at each target', value: (followed - filled) / MAPPINGS, unit: 'bytes of heap' },
  { name: `an address space of ${space.size >> 40n} TiB`, value: (reserved - before) / MiB, unit: 'MiB', atMost: 1 },
]);
await manager.close();
