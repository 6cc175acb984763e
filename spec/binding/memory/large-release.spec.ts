import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { resolveHostVa } from '../../../binding/memory/host-va.js';
import { type MappedMemory, Memfd } from '../../../binding/index.js';
import { native } from '../../../binding/native.js';
import {
  MemoryRange,
  RegionManager,
  type HostVa,
  type MapChange,
  type ReleaseFailure,
} from '../../../streams/index.js';
import { FaultPlan } from '../../streams/support/faults.js';
import { FaultyNative } from '../../support/faulty-native.js';
import { RecordingTarget } from '../../../testing/index.js';
import { ram } from '../support/changes.js';
import { BINDING, runChild, STREAMS } from '../support/child.js';
import { memfdAreas, openDescriptors } from '../support/descriptors.js';
import { type Mapper, MAPPERS } from '../support/mappers.js';
import { dmaError } from '../support/thrown.js';

/** More than is released at once. */
const LARGE = 0x800_0000;

/** In a program given as text: a space in which a large mapping of a file and a large private one have been touched. */
const touchedProgram = (mapper: Mapper): string => `
  const { Memfd } = await import(${JSON.stringify(BINDING)});
  const { MemoryRange } = await import(${JSON.stringify(STREAMS)});
  const memfd = Memfd.create('touched', ${LARGE}n);
  const ranges = [MemoryRange.ofLength(0n, ${LARGE}n), MemoryRange.ofLength(1n << 32n, ${LARGE}n)];
  const spaces = [];
  for (let count = 0; count < 2; count++) spaces.push(${mapper.source.replace('BINDING', JSON.stringify(BINDING))});
  function touched() {
    const space = spaces.pop();
    space.ensureMappedBatch(ranges.map((range, index) => ({
      range, region: 'r', type: 'ram', writable: true,
      backing: index === 0 ? { mappable: memfd, fileOffset: 0n } : 'private',
    })));
    // A view that was collected could have been moved to another thread before: its memory would outlive the thread.
    globalThis.views = ranges.map((range) => space.view(range).fill(1));
    return space;
  }`;

/** How many threads that native code made there are, once those that are about to end have ended. */
async function ownThreads(): Promise<number> {
  for (let wait = 0; ; wait++) {
    const names = readdirSync('/proc/self/task').map(nameOfThread);
    const own = names.filter((name) => name === 'dma-streams').length;
    if (own === 0 || wait === 100) {
      return own;
    }
    await sleep(5);
  }
}

function nameOfThread(id: string): string {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
  } catch {
    return ''; // It has ended since it was listed.
  }
}

for (const mapper of MAPPERS) {
  describe(`${mapper.name}.releaseBatch of what is large`, () => {
    let space: MappedMemory;
    let memfd: Memfd;
    let reserved: number;
    let label: string;
    let count = 0;
    /** Areas of an empty file, that a reservation consists of. */
    const own = mapper.name === 'AddressSpace' ? 1 : 0;

    beforeEach(() => {
      reserved = memfdAreas('dma-streams').length;
      space = mapper.make();
      // Views that are not collected yet keep the blocks of earlier ones.
      label = `large ${++count}`;
      memfd = Memfd.create(label, BigInt(LARGE));
    });

    afterEach(() => {
      space.close();
      memfd.close();
    });

    function large(at = 0): MapChange {
      return ram(at, at + LARGE, memfd);
    }

    /** It is large, so there is a promise. */
    function releaseLater(...ranges: MemoryRange[]): Promise<readonly ReleaseFailure[] | undefined> {
      const answer = space.releaseBatch(ranges);
      expect(answer).to.be.instanceOf(Promise);
      return answer as Promise<readonly ReleaseFailure[] | undefined>;
    }

    it('is a promise; what is small is done at once', async () => {
      space.ensureMapped(large());
      const small = ram(LARGE, LARGE + 0x40_0000);
      space.ensureMapped(small);
      expect(space.releaseBatch([small.range])).to.equal(undefined);
      expect(await releaseLater(large().range)).to.equal(undefined);
      expect(memfdAreas(label)).to.have.length(0);
      expect(memfdAreas('dma-streams')).to.have.length(reserved + own);
    });

    it('until it is done: nothing there can be reached, mapped, viewed or released again', async () => {
      const hostVa = space.ensureMapped(large());
      const beside = space.ensureMapped(ram(LARGE, LARGE + 0x1000));
      const view = space.view(large().range);
      view.fill(7);
      const done = releaseLater(large().range);
      expect(view.byteLength).to.equal(0);
      expect(dmaError(() => resolveHostVa(hostVa)).code).to.equal('ERR_INVALID_HOST_VA');
      expect(dmaError(() => space.read(0n, 1))).to.include({ code: 'EFAULT' });
      expect(dmaError(() => space.write(0x1000n, Buffer.alloc(1))).code).to.equal('EFAULT');
      expect(dmaError(() => space.view(MemoryRange.of(0, 0x1000))).code).to.equal('EFAULT');
      for (const change of [large(), ram(0, 0x1000), ram(LARGE - 0x1000, LARGE)]) {
        const error = dmaError(() => space.ensureMapped(change));
        expect(error).to.include({ code: 'EBUSY', region: 'ram' });
        expect(error.hint).to.contain('releaseBatch()');
        const [answer] = space.ensureMappedBatch([change]);
        expect(answer).to.include({ code: 'EBUSY' });
      }
      expect(dmaError(() => space.release(large().range)).code).to.equal('EBUSY');
      expect(dmaError(() => space.release(MemoryRange.of(0, 0x1000))).code).to.be.oneOf(['EBUSY', 'EINVAL']);
      expect(
        (await space.releaseBatch([large().range]))?.map(({ error }) => (error as { code: string }).code),
      ).to.deep.equal(['EBUSY']);
      expect(space.mappedRanges().map(String)).to.deep.equal([ram(LARGE, LARGE + 0x1000).range.toString()]);
      expect(resolveHostVa(beside).range.startPage).to.equal(LARGE / 0x1000);
      expect(await done).to.equal(undefined);
      space.ensureMapped(ram(0, 0x1000));
      expect(space.read(0n, 3)).to.deep.equal(Buffer.alloc(3));
      expect(space.read(BigInt(LARGE), 1)).to.have.length(1);
    });

    it('is also what there are many of', async () => {
      const changes = Array.from({ length: 1000 }, (_, index) => ram(index * 0x2000, index * 0x2000 + 0x1000, memfd));
      const areas = native().addressSpaceAreas();
      space.ensureMappedBatch(changes);
      expect(await releaseLater(...changes.map(({ range }) => range))).to.equal(undefined);
      expect(memfdAreas(label)).to.have.length(0);
      expect(native().addressSpaceAreas()).to.equal(areas);
    });

    it('names what is refused, and releases the rest', async () => {
      space.ensureMapped(large());
      const other = space.ensureMapped(ram(LARGE * 2, LARGE * 2 + 0x2000));
      const failures = await releaseLater(
        MemoryRange.of(LARGE * 2, LARGE * 2 + 0x1000),
        large().range,
        MemoryRange.of(LARGE - 0x1000, LARGE),
      );
      expect(failures?.map(({ range, error }) => `${range} ${(error as { code: string }).code}`)).to.deep.equal([
        '0x10000000-0x10001000 EINVAL',
        '0x7fff000-0x8000000 EINVAL',
      ]);
      expect(memfdAreas(label)).to.have.length(0);
      expect(space.ensureMapped(ram(LARGE * 2, LARGE * 2 + 0x2000))).to.equal(other);
    });

    it('that native code refuses is tried again before anything is mapped there', async () => {
      const change = ram(0, LARGE);
      const old: HostVa = space.ensureMapped(change);
      space.write(0n, Buffer.from('secret'));
      const plan = new FaultPlan();
      const injected = new FaultyNative(plan, { only: ['addressSpaceReleaseLater'] });
      plan.arm(0, false);
      const done = releaseLater(change.range);
      injected[Symbol.dispose]();
      expect((await done)?.[0]?.error).to.include({ code: 'ENOMEM' });
      expect(dmaError(() => resolveHostVa(old)).code).to.equal('ERR_INVALID_HOST_VA');
      space.ensureMapped(change);
      expect(space.read(0n, 6)).to.deep.equal(Buffer.alloc(6));
    });

    it('is also what close() begins: nothing can be reached when it returns, and the pages go afterwards', async () => {
      using file = Memfd.create('closing', 256n << 20n);
      const other = mapper.make();
      const hostVa = other.ensureMapped(ram(0, 256 << 20, file));
      other.write(0n, Buffer.alloc(256 << 20, 1));
      other.close();
      expect(memfdAreas('closing'), 'this thread has not waited for it').to.have.length(1);
      expect(dmaError(() => other.read(0n, 1)).code).to.equal('ERR_CLOSED');
      expect(dmaError(() => resolveHostVa(hostVa)).code).to.equal('ERR_INVALID_HOST_VA');
      while (memfdAreas('closing').length > 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });

    it('goes on when the space is closed, and ends', async () => {
      space.ensureMappedBatch([large(), ram(LARGE * 2, LARGE * 3)]);
      space.view(MemoryRange.of(LARGE * 2, LARGE * 3)).fill(1);
      const areas = native().addressSpaceAreas();
      const done = releaseLater(large().range, MemoryRange.of(LARGE * 2, LARGE * 3));
      space.close();
      expect(dmaError(() => space.read(0n, 1)).code).to.equal('ERR_CLOSED');
      expect(await done).to.equal(undefined);
      expect(native().addressSpaceAreas()).to.be.below(areas);
      expect(memfdAreas(label)).to.have.length(0);
    });

    it('1,000 rounds leave no thread, descriptor or mapping behind', async () => {
      space.ensureMapped(large());
      await releaseLater(large().range);
      const before = { descriptors: openDescriptors(), areas: native().addressSpaceAreas() };
      for (let round = 0; round < 1000; round++) {
        space.ensureMapped(large());
        space.write(BigInt(round * 0x1000), Buffer.from([1]));
        const done = releaseLater(large().range);
        if (round % 100 === 0) {
          space.ensureMapped(ram(LARGE, LARGE + 0x1000)); // beside it
          space.release(MemoryRange.of(LARGE, LARGE + 0x1000));
        }
        await done;
      }
      expect(await ownThreads()).to.equal(0);
      expect(openDescriptors()).to.equal(before.descriptors);
      expect(native().addressSpaceAreas(), 'what earlier views kept may have gone').to.be.at.most(before.areas);
      expect(memfdAreas(label)).to.have.length(0);
      expect(memfdAreas('dma-streams')).to.have.length(reserved + own);
    }).timeout(60_000);

    it('is nothing that a worker which is terminated meanwhile leaves behind', async () => {
      const descriptors = openDescriptors();
      for (let round = 0; round < 5; round++) {
        const source = `import { parentPort } from 'node:worker_threads'; ${touchedProgram(mapper)}
        const space = touched();
        space.releaseBatch(ranges);
        parentPort.postMessage('under way');
        for (;;) { /* until it is terminated */ }`;
        const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
        await once(worker, 'message');
        await worker.terminate();
      }
      for (let wait = 0; memfdAreas('touched').length > 0 && wait < 1000; wait++) {
        await sleep(5); // A long block is unmapped on another thread.
      }
      expect(openDescriptors()).to.equal(descriptors);
      expect(memfdAreas('touched')).to.have.length(0);
      expect(memfdAreas('dma-streams')).to.have.length(reserved + own);
    }).timeout(60_000);

    it('does not keep the process from ending, in any way', () => {
      for (const [end, status] of [
        ['process.exit(7)', 7],
        ["throw new Error('on purpose')", 1],
        ['', 0],
      ] as const) {
        const result = runChild(
          `${touchedProgram(mapper)} const space = touched(); space.releaseBatch(ranges); ${end}`,
        );
        expect(result, end).to.include({ status, signal: null });
      }
    }).timeout(60_000);

    it('holds up the command of a manager, but not what it does elsewhere', async () => {
      const manager = new RegionManager({ vaMapper: space });
      const target = new RecordingTarget({ needsVa: true });
      await manager.attach(target);
      const region = await manager.addRegion({ name: 'ram', range: MemoryRange.ofLength(0n, 1n << 36n), type: 'ram' });
      await region.map({ writable: true });
      const backing = { mappable: memfd, fileOffset: 0n };
      const add = (start: number) =>
        region.addMapping({ rangeInRegion: MemoryRange.ofLength(start, LARGE), backing, writable: true });
      for (let round = 0; round < 20; round++) {
        await add(0);
        // The same addresses, one command after the other and within one: never EBUSY.
        const removed = region.removeMappings(MemoryRange.ofLength(0, LARGE));
        const added = add(0);
        await Promise.all([removed, added]);
        await manager.transaction((edit) => {
          edit.removeMappings(region, MemoryRange.ofLength(0, LARGE));
          edit.addMapping(region, { rangeInRegion: MemoryRange.ofLength(0x1000, LARGE), backing, writable: true });
        });
        expect(space.mappedRanges().map(String)).to.deep.equal(['0x1000-0x8001000']);
        await region.removeMappings(MemoryRange.ofLength(0x1000, LARGE));
        expect(space.mappedRanges()).to.deep.equal([]);
      }
      await add(0);
      await manager.close();
      expect(memfdAreas(label)).to.have.length(0);
    }).timeout(60_000);
  });
}
