import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Memfd } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { BINDING, runChild, STREAMS } from './support/child.js';
import { ram } from './support/changes.js';
import { memfdAreas, openDescriptors } from './support/descriptors.js';
import { type Mapper, MAPPERS } from './support/mappers.js';

/** In a program given as text: make a space with a mapping, a view and a private mapping, and leave everything open. */
const litterProgram = (mapper: Mapper): string => `
  const { AddressSpace, Memfd, RamBlocks } = await import(${JSON.stringify(BINDING)});
  const { MemoryRange } = await import(${JSON.stringify(STREAMS)});
  function litter() {
    const memfd = Memfd.create('litter', 0x10000n);
    const space = ${mapper.name === 'AddressSpace' ? 'new AddressSpace({ size: 1n << 32n })' : 'new RamBlocks()'};
    const range = MemoryRange.of(0, 0x10000);
    space.ensureMapped({ range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } });
    space.ensureMapped({ range: range.shift(0x100000n), region: 'p', type: 'ram', writable: true, backing: 'private' });
    const view = space.view(range);
    view.fill(1);
    return { memfd, space, view };
  }`;

for (const mapper of MAPPERS) {
  describe(`lifetime: ${mapper.name}`, () => {
    let reserved: number;

    beforeEach(() => {
      reserved = memfdAreas('dma-streams').length;
    });

    it('10,000 rounds of creating and closing leave no descriptor and no mapping behind', () => {
      const descriptors = openDescriptors();
      for (let round = 0; round < 10_000; round += 1) {
        using memfd = Memfd.create('round', 0x1000n);
        using copy = Memfd.from(memfd.fd, 'copy');
        using space = mapper.make();
        space.ensureMapped(ram(0, 0x1000, copy));
        space.release(MemoryRange.of(0, 0x1000));
      }
      expect(openDescriptors()).to.equal(descriptors);
      expect(memfdAreas('dma-streams')).to.have.length(reserved);
      expect(memfdAreas('round')).to.have.length(0);
    }).timeout(30_000);

    it('closing gives the addresses back at once, and those of views once these were collected', () => {
      const result = runChild(
        `
      const { Memfd } = await import(BINDING);
      const { MemoryRange } = await import(STREAMS);
      const { native } = await import(new URL('native.js', BINDING));
      const memfd = Memfd.create('viewed', 0x1000n);
      const range = MemoryRange.of(0x1000, 0x2000);
      const change = { range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } };
      let kept = 0;
      // All of them together would need four times the addresses that a process has.
      for (let round = 0; round < 500; round++) {
        const space = ${mapper.source};
        space.ensureMapped(change);
        space.view(range).fill(1);
        space.close();
        if (round % 50 === 49) {
          kept = Math.max(kept, memfdAreas('dma-streams').length + memfdAreas('viewed').length);
          for (let wait = 0; wait < 100 && native().addressSpaceAreas() > 0; wait++) { gc(); await sleep(1); }
        }
      }
      console.log(kept <= ${mapper.name === 'AddressSpace' ? 0 : 50}, native().addressSpaceAreas());
      `,
        { flags: ['--expose-gc'] },
      );
      expect(result).to.include({ status: 0, stdout: 'true 0' }, result.stderr);
    }).timeout(60_000);

    it('what is forgotten instead of closed is collected, descriptors and addresses', () => {
      const result = runChild(
        `${litterProgram(mapper)}
      litter();
      const descriptors = () => readdirSync('/proc/self/fd').length;
      const mapped = () => memfdAreas('dma-streams').length + memfdAreas('litter').length;
      for (let round = 0; round < 20; round++) { gc(); await sleep(5); }
      const before = descriptors();
      for (let round = 0; round < 200; round++) { litter(); }
      const littered = descriptors() > before;
      for (let round = 0; round < 50 && (mapped() > 0 || descriptors() > before); round++) { gc(); await sleep(10); }
      console.log(littered, descriptors() - before, mapped());
      `,
        { flags: ['--expose-gc'] },
      );
      expect(result).to.include({ status: 0, stdout: 'true 0 0' }, result.stderr);
    }).timeout(60_000);

    it('an address keeps its space alive', () => {
      const result = runChild(
        `${litterProgram(mapper)}
      const { readHostVa } = await import(new URL('memory/host-va.js', BINDING));
      const va = (() => {
        const { space, memfd } = litter();
        return space.ensureMapped({ range: MemoryRange.of(0, 0x10000), region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } });
      })();
      for (let round = 0; round < 5; round++) { gc(); await sleep(5); }
      console.log(readHostVa(va, 0n, 3).join());
      `,
        { flags: ['--expose-gc'] },
      );
      expect(result).to.include({ status: 0, stdout: '1,1,1' }, result.stderr);
    });

    it('collection in the middle of everything harms nothing', () => {
      const result = runChild(
        `${litterProgram(mapper)}
      for (let round = 0; round < 300; round++) {
        const { memfd, space, view } = litter();
        if (round % 2) gc();
        if (round % 3) space.release(MemoryRange.of(0, 0x10000));
        if (round % 5 === 0) gc();
        if (round % 7) space.close();
        if (round % 4) memfd.close();
        if (view.length !== 0 && view[5] !== 1) throw new Error('view');
        if (round % 11 === 0) { gc(); await turn(); }
      }
      console.log('done');
      `,
        { flags: ['--expose-gc'] },
      );
      expect(result).to.include({ status: 0, stdout: 'done' }, result.stderr);
    }).timeout(60_000);

    it('the process may end at any time, in any way', () => {
      for (const [end, status] of [
        ['process.exit(7)', 7],
        ["throw new Error('on purpose')", 1],
        ['', 0],
      ] as const) {
        const result = runChild(
          `${litterProgram(mapper)} const held = [litter(), litter()]; held[0].space.close(); ${end}`,
        );
        expect(result, end).to.include({ status, signal: null });
      }
    }).timeout(30_000);

    it('works in several worker threads at once, each with its own', async () => {
      const program = `${litterProgram(mapper)}
      import { parentPort } from 'node:worker_threads';
      for (let round = 0; round < 200; round++) {
        const { memfd, space, view } = litter();
        if (space.read(5n, 1)[0] !== 1 || view[0] !== 1) throw new Error('wrong bytes');
        space.close(); memfd.close();
      }
      parentPort.postMessage('done');`;
      const workers = Array.from({ length: 4 }, () => startWorker(program));
      const messages = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as string));
      expect(messages).to.deep.equal(['done', 'done', 'done', 'done']);
      await Promise.all(workers.map((worker) => worker.terminate()));
    }).timeout(30_000);

    it('a worker that is terminated leaves nothing behind', async () => {
      const descriptors = openDescriptors();
      const worker = startWorker(`${litterProgram(mapper)}
      import { parentPort } from 'node:worker_threads';
      const kept = Array.from({ length: 20 }, litter);
      parentPort.postMessage('ready');
      for (;;) { litter().space.close(); }`);
      await once(worker, 'message');
      await worker.terminate();
      expect(openDescriptors()).to.equal(descriptors);
      expect(memfdAreas('litter')).to.have.length(0);
      expect(memfdAreas('dma-streams')).to.have.length(reserved);
    }).timeout(30_000);
  });
}

function startWorker(program: string): Worker {
  const source = program.replaceAll(/^\s*(import .*;)$/gm, '$1');
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
}
