import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { BINDING, runChild, STREAMS } from './support/child.js';
import { memfdAreas, openDescriptors } from './support/descriptors.js';

/** In a program given as text: a machine of sixteen mappings, with a target that does DMA in software. */
const MACHINE = `
  const { AddressSpace, Memfd } = await import(${JSON.stringify(BINDING)});
  const { MemoryRange, RegionManager } = await import(${JSON.stringify(STREAMS)});
  const { SoftIommuTarget } = await import(${JSON.stringify(new URL('../../targets/index.js', import.meta.url).href)});
  const memfd = Memfd.create('attached', 0x10000n);
  const space = new AddressSpace({ size: 1n << 32n });
  const manager = new RegionManager({ vaMapper: space });
  const region = await manager.addRegion({ name: 'ram', range: MemoryRange.of(0, 0x100000), type: 'ram' });
  await region.map({ writable: true });
  await manager.transaction((edit) => {
    for (let page = 0; page < 16; page++) {
      const rangeInRegion = MemoryRange.ofPages(page * 2, page * 2 + 1);
      edit.addMapping(region, { rangeInRegion, backing: { mappable: memfd, fileOffset: BigInt(page) << 12n }, writable: true });
    }
  });`;

/** In mid-attach: each map takes a while, and one more turn of the event loop comes before the attach can be done. */
const SLOWLY = `${MACHINE}
  let maps = 0;
  const slow = {
    name: 'slow', needsVa: true, unmapDma: () => undefined,
    mapDma: async () => { maps++; await new Promise((resolve) => setTimeout(resolve, 50)); },
  };
  const attaching = manager.attach(slow);
  await new Promise((resolve) => setTimeout(resolve, 120));
  if (maps < 1 || maps > 15) throw new Error('not in the middle: ' + maps);`;

describe('the lifetime of attachments', () => {
  it('10,000 rounds of attaching, detaching and failing leave no descriptor, no memory area and no heap behind', () => {
    const result = runChild(
      `${MACHINE}
      const areas = () => memfdAreas('dma-streams').length + memfdAreas('attached').length;
      const descriptors = () => readdirSync('/proc/self/fd').length;
      const round = async (number) => {
        if (number % 2 === 0) {
          const attachment = await manager.attach(new SoftIommuTarget({ name: 'good' }));
          await attachment.detach();
        } else {
          const faults = new Map([[number % 16, 'EIO']]);
          await manager.attach(new SoftIommuTarget({ name: 'bad', faults })).then(
            () => { throw new Error('it did not fail'); },
            (error) => { if (error.code !== 'EIO') throw error; },
          );
        }
      };
      const heap = () => { for (let n = 0; n < 5; n++) gc(); return process.memoryUsage().heapUsed; };
      for (let number = 0; number < 1000; number++) await round(number);
      await sleep(20);
      const [areasAtFirst, descriptorsAtFirst, heapAtFirst] = [areas(), descriptors(), heap()];
      for (let number = 0; number < 10_000; number++) await round(number);
      await sleep(20);
      // The runtime warms up by 500 kB to 1 MB. An attachment that was kept in each round would be ten megabytes and more.
      console.log(areas() - areasAtFirst, descriptors() - descriptorsAtFirst, heap() - heapAtFirst < 4_000_000, manager.attachments.length);
      `,
      { flags: ['--expose-gc'] },
    );
    expect(result).to.include({ status: 0, stdout: '0 0 true 0' }, result.stderr);
  }).timeout(120_000);

  it('collection after every call of an attach harms nothing', () => {
    const result = runChild(
      `${MACHINE}
      for (let round = 0; round < 3; round++) {
        const inner = new SoftIommuTarget({ name: 'soft' });
        const attachment = await manager.attach({
          name: 'soft', needsVa: true,
          mapDma: async (request) => { gc(); await turn(); inner.mapDma(request); gc(); },
          unmapDma: async (range) => { gc(); await turn(); inner.unmapDma(range); gc(); },
        });
        inner.write(0x2000n, Buffer.from([round]));
        if (space.read(0x2000n, 1)[0] !== round) throw new Error('wrong byte');
        await attachment.detach();
      }
      console.log('done');`,
      { flags: ['--expose-gc'] },
    );
    expect(result).to.include({ status: 0, stdout: 'done' }, result.stderr);
  }).timeout(120_000);

  it('the process may end in mid-attach, in any way', () => {
    for (const [end, status] of [
      ['process.exit(7);', 7],
      ["setImmediate(() => { throw new Error('on purpose'); }); await attaching;", 1],
      ["Promise.reject(new Error('on purpose')); await attaching;", 1],
    ] as const) {
      expect(runChild(`${SLOWLY} ${end}`), end).to.include({ status, signal: null });
    }
  }).timeout(60_000);

  it('a worker that is terminated in mid-attach leaves nothing behind, beside three that go on', async () => {
    const descriptors = openDescriptors();
    const reserved = memfdAreas('dma-streams').length;
    const start = (rest: string): Worker =>
      new Worker(
        new URL(
          `data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads'; ${SLOWLY} parentPort.postMessage('middle'); ${rest}`)}`,
        ),
      );
    const finish = `await attaching; parentPort.postMessage(maps); await manager.close(); space.close(); memfd.close();`;
    const others = Array.from({ length: 3 }, () => start(finish));
    const victim = start(finish);
    // Whoever listens only when the victim has ended may miss what the others said meanwhile.
    const ends = others.map(async (worker) => {
      const [[count]] = await Promise.all([secondMessage(worker), once(worker, 'exit')]);
      return count;
    });
    await Promise.all([victim, ...others].map((worker) => once(worker, 'message')));
    await victim.terminate();
    const maps = await Promise.all(ends);
    expect(maps).to.deep.equal([16, 16, 16]);
    await sleep(10);
    expect(openDescriptors()).to.equal(descriptors);
    expect(memfdAreas('attached')).to.deep.equal([]);
    expect(memfdAreas('dma-streams')).to.have.length(reserved);
  }).timeout(60_000);
});

/** What a worker says after its first message. */
async function secondMessage(worker: Worker): Promise<[number]> {
  await once(worker, 'message');
  return (await once(worker, 'message')) as [number];
}
