import { readSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { DmaBatch, Memfd, RamBlocks } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { ram } from '../binding/support/changes.js';
import { memfdAreas } from '../binding/support/descriptors.js';
import { dmaError } from '../binding/support/thrown.js';
import { copyByDma } from './support/edu.js';
import { wayOf } from './support/workbench.js';

/** The kernel needs a while to allocate and pin so much. */
const LENGTH = 512 << 20;
const RANGE = MemoryRange.of(0, LENGTH);
/** What an edu device can reach is below 256 MiB. */
const FROM = 0x10_0000;
const TO = 0x20_0000;

const RELEASES: Readonly<Record<string, (memory: RamBlocks) => unknown>> = {
  release: (memory) => {
    memory.release(RANGE);
  },
  releaseBatch: (memory) => memory.releaseBatch([RANGE]),
  close: (memory) => {
    memory.close();
  },
};

for (const kind of ['type1', 'va'] as const) {
  describe(`a batch that another thread runs, ${kind === 'type1' ? kind : 'iommufd by va'}`, () => {
    for (const [how, release] of Object.entries(RELEASES)) {
      it(`keeps the block of RamBlocks that it maps until it has ended, beyond ${how}, and no longer`, async () => {
        using way = wayOf(kind);
        const device = way.openDevice();
        using memory = new RamBlocks();
        using file = Memfd.create('in use', BigInt(LENGTH));
        const hostVa = memory.ensureMapped(ram(0, LENGTH, file));
        const batch = new DmaBatch();
        batch.mapVa(RANGE, hostVa, true);
        let ended = false;
        const run = (way.container ?? way.ioas)?.runAsync(batch).finally(() => {
          ended = true;
        });
        const released = release(memory);
        let seen = 0;
        while (!ended) {
          expect(memfdAreas('in use'), 'while the kernel maps it').to.have.length(1);
          seen++;
          await sleep(1);
        }
        await Promise.all([run, released]);
        expect(batch.errnoAt(0)).to.equal(0);
        expect(seen, 'looks while it ran').to.be.greaterThan(3);
        if (how !== 'close') {
          expect(dmaError(() => memory.read(0n, 1)).code).to.equal('EFAULT');
        }
        for (let waited = 0; memfdAreas('in use').length > 0 && waited < 1000; waited++) {
          await sleep(5);
        }
        expect(memfdAreas('in use')).to.have.length(0);

        // What was pinned is the file.
        writeSync(file.fd, 'pinned', FROM);
        await copyByDma(device, BigInt(FROM), BigInt(TO), 6);
        const found = Buffer.alloc(6);
        readSync(file.fd, found, 0, 6, TO);
        expect(found.toString()).to.equal('pinned');
      }).timeout(120_000);
    }
  });
}
