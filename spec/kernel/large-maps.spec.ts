import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { AddressSpace, Memfd } from '../../binding/index.js';
import { DmaError, MemoryRange, RegionManager } from '../../streams/index.js';
import { AssignedDevices } from '../../targets/index.js';
import { FIRST } from './support/edu.js';
import { KINDS, pinned } from './support/workbench.js';

const MiB = 1n << 20n;
const ROWS = 4n;

/** A GiB, or the half of what the guest has free: a multiple of 64 MiB. */
function size(): bigint {
  const free = BigInt(/MemAvailable:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024n;
  const half = free / 2n - ((free / 2n) % (64n * MiB));
  return half < 1024n * MiB ? half : 1024n * MiB;
}

for (const kind of KINDS) {
  describe(`a large map, ${kind === 'type1' ? kind : `iommufd by ${kind}`}`, () => {
    const length = size();
    const through = kind === 'type1' ? 'type1' : 'iommufd';
    let space: AddressSpace;
    let memfd: Memfd;
    let manager: RegionManager;
    let assigned: AssignedDevices;
    let ticks: number;
    let timer: NodeJS.Timeout;

    beforeEach(async () => {
      expect(length >= 256n * MiB, `${length / MiB} MiB`).to.equal(true);
      space = new AddressSpace({ size: 1n << 36n });
      memfd = Memfd.create('large', length);
      manager = new RegionManager({ vaMapper: space });
      assigned = new AssignedDevices(manager, { by: kind === 'file' ? 'file' : 'va' });
      await manager.transaction((edit) => {
        const region = edit.addRegion({ name: 'ram', range: MemoryRange.ofLength(1n << 32n, length), type: 'ram' });
        edit.map(region, { writable: true });
        for (let row = 0n; row < ROWS; row++) {
          const rangeInRegion = MemoryRange.ofLength((row * length) / ROWS, length / ROWS);
          const backing = { mappable: memfd, fileOffset: rangeInRegion.start };
          edit.addMapping(region, { rangeInRegion, backing, writable: true });
        }
      });
      ticks = 0;
      timer = setInterval(() => {
        ticks += 1;
      }, 1);
    });

    afterEach(async () => {
      clearInterval(timer);
      await assigned.close();
      await manager.close();
      space.close();
      memfd.close();
      expect(pinned()).to.equal(0);
    });

    it('goes on beside the event loop, tells how far it is in bytes, and so does its end', async () => {
      const seen: { readonly done: bigint; readonly total: bigint; readonly ticks: number }[] = [];
      const device = await assigned.add(FIRST, {
        through,
        onProgress: (progress) => seen.push({ ...progress, ticks }),
      });
      expect(seen.map(({ done, total }) => [done, total])).to.deep.equal(
        [1n, 2n, 3n, 4n].map((row) => [(row * length) / ROWS, length]),
      );
      expect(pinned()).to.equal(Number(length));
      // Each row is one call of the kernel: the timer ran while it was under way.
      for (const [index, step] of seen.entries()) {
        expect(step.ticks, `during row ${index}`).to.be.greaterThan((seen[index - 1]?.ticks ?? 0) + 3);
      }
      const before = ticks;
      await device.remove();
      expect(ticks, 'while it was unmapped').to.be.greaterThan(before + 3);
    });

    it('is undone when it is aborted between its rows, and can be made again', async () => {
      const abort = new AbortController();
      const error: unknown = await assigned
        .add(FIRST, {
          through,
          signal: abort.signal,
          onProgress: ({ done }) => {
            if (done === length / 2n) {
              expect(pinned()).to.equal(Number(length / 2n));
              abort.abort();
            }
          },
        })
        .catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(DmaError).and.to.include({ code: 'ABORT_ERR' });
      expect(pinned()).to.equal(0);
      await assigned.add(FIRST, { through });
      expect(pinned()).to.equal(Number(length));
    });
  });
}
