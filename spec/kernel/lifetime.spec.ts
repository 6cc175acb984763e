import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { AddressSpace, DmaBatch, Memfd, VfioContainer, VfioGroup } from '../../binding/index.js';
import { MemoryRange } from '../../streams/index.js';
import { ram } from '../binding/support/changes.js';
import { BINDING, runChild, STREAMS } from '../binding/support/child.js';
import { openDescriptors } from '../binding/support/descriptors.js';
import { FIRST } from './support/edu.js';

/** A program that has a large map running on another thread. */
const PINNING = `
  const { AddressSpace, DmaBatch, Memfd, VfioContainer, VfioGroup } = await import(${JSON.stringify(BINDING)});
  const { MemoryRange } = await import(${JSON.stringify(STREAMS)});
  const container = VfioContainer.open();
  const group = VfioGroup.forDevice('${FIRST}');
  container.addGroup(group);
  const memfd = Memfd.create('pinned', 0x20000000n);
  const space = new AddressSpace({ size: 1n << 36n });
  const range = MemoryRange.of(0x40000000, 0x60000000);
  const hostVa = space.ensureMapped({ range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } });
  const batch = new DmaBatch();
  batch.mapVa(range, hostVa, true);
  const done = container.runAsync(batch);`;

function lockedKilobytes(): number {
  return Number(/VmLck:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

describe('the lifetime of mappings', () => {
  it('a worker that is terminated while it pins memory leaves nothing behind', async () => {
    const descriptors = openDescriptors();
    const source = `${PINNING} import { parentPort } from 'node:worker_threads'; parentPort.postMessage('pinning'); await done; for (;;);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
    await once(worker, 'message');
    await sleep(200);
    await worker.terminate();
    expect(openDescriptors()).to.equal(descriptors);
    expect(lockedKilobytes()).to.equal(0);
    using container = VfioContainer.open();
    using group = VfioGroup.forDevice(FIRST);
    container.addGroup(group);
  }).timeout(60_000);

  it('a process that ends while it pins memory leaves nothing behind', () => {
    for (const [end, status] of [
      ['process.exit(3);', 3],
      ["throw new Error('on purpose');", 1],
      ["process.kill(process.pid, 'SIGKILL'); await done;", null],
    ] as const) {
      expect(runChild(`${PINNING} await sleep(100); ${end}`)).to.include({ status });
      using container = VfioContainer.open();
      using group = VfioGroup.forDevice(FIRST);
      container.addGroup(group);
    }
  }).timeout(120_000);

  it('what is forgotten instead of closed is collected: the group is free again', () => {
    const result = runChild(
      `
      const { VfioContainer, VfioGroup } = await import(BINDING);
      const forget = () => { const c = VfioContainer.open(); const g = VfioGroup.forDevice('${FIRST}'); c.addGroup(g); g.openDevice('${FIRST}'); };
      forget();
      let busy = 0;
      for (let round = 0; round < 50; round++) {
        try { forget(); console.log(busy > 0); break; } catch (error) { busy++; gc(); await sleep(20); }
      }`,
      { flags: ['--expose-gc'] },
    );
    expect(result).to.include({ status: 0, stdout: 'true' }, result.stderr);
  }).timeout(60_000);

  it('the event loop goes on turning while memory is pinned', async () => {
    using container = VfioContainer.open();
    using group = VfioGroup.forDevice(FIRST);
    container.addGroup(group);
    using memfd = Memfd.create('large', 0x20000000n);
    using space = new AddressSpace({ size: 1n << 36n });
    const change = ram(0x40000000, 0x60000000, memfd);
    const batch = new DmaBatch();
    batch.mapVa(change.range, space.ensureMapped(change), true);
    let turns = 0;
    let settled = false;
    const done = container.runAsync(batch).finally(() => {
      settled = true;
    });
    while (!settled) {
      await sleep(1);
      turns += 1;
    }
    expect(await done).to.equal(1);
    expect(lockedKilobytes()).to.equal(0x20000000 / 1024);
    expect(turns).to.be.above(10);
    batch.clear();
    batch.unmap(MemoryRange.of(0, 0x80000000));
    await container.runAsync(batch);
    expect(batch.unmappedAt(0)).to.equal(0x20000000n);
    expect(lockedKilobytes()).to.equal(0);
  }).timeout(60_000);
});
