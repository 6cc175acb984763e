import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { runChild } from '../support/child.js';
import { type Mapper, MAPPERS } from '../support/mappers.js';

/** Jobs of Node that use a view on another thread. Each calls back when it is done. */
const JOBS = {
  gzip: `(view, done) => gzip(view, (error, zipped) => done(error ?? zipped.length > 0))`,
  brotli: `(view, done) => brotliCompress(view, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }, (error) => done(error ?? true))`,
  randomFill: `(view, done) => randomFill(view, (error) => done(error ?? true))`,
  'subtle.digest': `(view, done) => webcrypto.subtle.digest('SHA-256', view).then(() => done(true), done)`,
  'fs.write': `(view, done) => write(scratch, view, 0, view.length, 0, (error, count) => done(error ?? count === view.length))`,
  'fs.read': `(view, done) => read(random, view, 0, view.length, null, (error) => done(error ?? true))`,
  'fs/promises.writeFile': `(view, done) => writeFile('/dev/shm/dma-streams-views-' + process.pid, view).then(() => done(true), () => done(true))`,
} as const;

/** What releases the memory while the job is under way. */
const RELEASES = {
  release: `() => space.release(range)`,
  releaseBatch: `() => space.releaseBatch([range])`,
  'a command': `() => region.unmap()`,
  'manager.close': `() => manager.close()`,
  'space.close': `() => space.close()`,
} as const;

/** Makes guest memory that a manager maps, and a view of it. `backing` is a memfd or private memory. */
const program = (mapper: Mapper, job: string, release: string, backing: 'memfd' | 'private'): string => `
  import { closeSync, constants as files, openSync, read, rmSync, write } from 'node:fs';
  import { writeFile } from 'node:fs/promises';
  import { randomFill, webcrypto } from 'node:crypto';
  import { brotliCompress, constants, gzip } from 'node:zlib';
  const { AddressSpace, Memfd } = await import(BINDING);
  const { MemoryRange, RegionManager } = await import(STREAMS);
  const LENGTH = 8 << 20;
  const range = MemoryRange.ofLength(0, LENGTH);
  const space = ${mapper.source};
  const memfd = Memfd.create('viewed', BigInt(LENGTH));
  const manager = new RegionManager({ vaMapper: space });
  await manager.attach({ name: 'iommu', needsVa: true, mapDma() {}, unmapDma() {} });
  const region = await manager.addRegion({ name: 'ram', range, type: 'ram' });
  const backing = ${backing === 'private' ? "'private'" : '{ mappable: memfd, fileOffset: 0n }'};
  const mapping = { rangeInRegion: range, backing, writable: true };
  await region.addMapping(mapping);
  await region.map({ writable: true });
  const view = space.view(range);
  // Processors have O_DIRECTORY in different places.
  const O_TMPFILE = 0o20000000 | files.O_DIRECTORY;
  const [scratch, random] = [openSync('/dev/shm', files.O_RDWR | O_TMPFILE, 0o600), openSync('/dev/urandom', 'r')];
  const work = ${job};
  const done = new Promise((resolve) => work(view, resolve));
  await sleep(2);
  const release = ${release};
  const released = release();
  // What is mapped there in the same turn must never receive the bytes of the job.
  const next = Memfd.create('next', BigInt(LENGTH));
  const other = new AddressSpace({ size: 1n << 32n });
  const changed = { range, region: 'next', type: 'ram', writable: true, backing: { mappable: next, fileOffset: 0n } };
  let target = other;
  try { space.ensureMapped(changed); target = space; } catch { other.ensureMapped(changed); }
  target.write(0n, Buffer.alloc(LENGTH, 0xaa));
  await released;
  console.log(await done);
  const wrong = target.read(0n, LENGTH).findIndex((byte) => byte !== 0xaa);
  console.log(wrong);
  for (let waited = 0; view.byteLength > 0 && waited < 500; waited++) { await sleep(10); }
  console.log(view.byteLength);
  rmSync('/dev/shm/dma-streams-views-' + process.pid, { force: true });
`;

describe('A view that a job of Node is using', () => {
  for (const mapper of MAPPERS) {
    for (const [what, job] of Object.entries(JOBS)) {
      for (const [how, release] of Object.entries(RELEASES)) {
        it(`${what}: survives ${how}, its bytes reach no other memory, and it becomes empty afterwards: ${mapper.name}`, () => {
          const result = runChild(program(mapper, job, release, 'memfd'));
          expect(result).to.include({ status: 0, signal: null, stdout: 'true\n-1\n0' }, result.stderr);
        }).timeout(60_000);
      }
    }

    it(`of private memory: the same: ${mapper.name}`, () => {
      const result = runChild(program(mapper, JOBS.randomFill, RELEASES['space.close'], 'private'));
      expect(result).to.include({ status: 0, signal: null, stdout: 'true\n-1\n0' }, result.stderr);
    }).timeout(60_000);
  }

  it('is not emptied from within the callback of a job that goes on with it', () => {
    const result = runChild(`
      import { createGzip } from 'node:zlib';
      const { AddressSpace, Memfd } = await import(BINDING);
      const { MemoryRange } = await import(STREAMS);
      const range = MemoryRange.ofLength(0, 64 << 20);
      const space = new AddressSpace({ size: 1n << 32n });
      const memfd = Memfd.create('viewed', range.length);
      space.ensureMapped({ range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } });
      const view = space.view(range);
      const zip = createGzip();
      let pieces = 0;
      zip.on('data', () => { if (pieces++ === 0) space.release(range); });
      await new Promise((resolve) => { zip.on('end', resolve); zip.end(view); });
      for (let waited = 0; view.byteLength > 0 && waited < 500; waited++) await sleep(10);
      console.log(pieces > 1, view.byteLength);
    `);
    expect(result).to.include({ status: 0, signal: null, stdout: 'true 0' }, result.stderr);
  }).timeout(60_000);

  it('leaves its addresses to others once it is done, also in a thread that always has a job', () => {
    const result = runChild(
      `
      import { randomFill } from 'node:crypto';
      const { AddressSpace, Memfd } = await import(BINDING);
      const { native } = await import(new URL('native.js', BINDING));
      const { MemoryRange } = await import(STREAMS);
      const space = new AddressSpace({ size: 1n << 32n });
      const range = MemoryRange.of(0, 0x1000);
      const memfd = Memfd.create('viewed', 0x1000n);
      const change = { range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } };
      let busy = true;
      const jobs = Array.from({ length: 3 }, async () => {
        while (busy) await new Promise((resolve) => randomFill(new Uint8Array(1 << 16), resolve));
      });
      const before = native().addressSpaceAreas();
      for (let round = 0; round < 50; round++) {
        space.ensureMapped(change);
        space.view(range).fill(1);
        space.release(range);
      }
      const held = native().addressSpaceAreas() - before;
      for (let round = 0; round < 10; round++) { gc(); await sleep(10); }
      // The addresses of displaced mappings are kept for later ones.
      for (let round = 0; round < 40; round++) { space.ensureMapped(change); space.view(range).fill(1); space.release(range); }
      console.log(held > 90, native().addressSpaceAreas() - before - held);
      busy = false;
      await Promise.all(jobs);
      `,
      { flags: ['--expose-gc'] },
    );
    expect(result).to.include({ status: 0, signal: null, stdout: 'true 0' }, result.stderr);
  }).timeout(60_000);
});

/** Guest memory of `length` bytes, and a view of it. */
const viewed = (length: number): string => `
  const { AddressSpace, Memfd } = await import(BINDING);
  const { MemoryRange } = await import(STREAMS);
  const range = MemoryRange.ofLength(0, ${length});
  const space = new AddressSpace({ size: 1n << 32n });
  const memfd = Memfd.create('viewed', range.length);
  space.ensureMapped({ range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } });
  let view = space.view(range);
  const emptied = async () => {
    for (let waited = 0; view.byteLength > 0 && waited < 300; waited++) await sleep(10);
    return view.byteLength === 0;
  };
`;

describe('A view that something of Node holds without a job', () => {
  for (const stream of ['createGzip', 'createBrotliCompress']) {
    const paused = `
      import { randomFillSync } from 'node:crypto';
      import { ${stream}, constants } from 'node:zlib';
      ${viewed(8 << 20)}
      randomFillSync(view);
      const zip = ${stream}({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
      zip.end(view);
      // It pauses when its output is full, which nobody reads.
      while (zip.readableLength === 0) await sleep(1);
      await sleep(100);
      space.release(range);
    `;

    it(`${stream}, paused between two steps: it goes on afterwards, and the view becomes empty then`, () => {
      const result = runChild(`${paused}
        console.log(view.byteLength > 0);
        await new Promise((resolve) => { zip.on('end', resolve).resume(); });
        console.log(await emptied());
      `);
      expect(result).to.include({ status: 0, signal: null, stdout: 'true\ntrue' }, result.stderr);
    }).timeout(60_000);

    it(`${stream}, paused and then destroyed: the view becomes empty, though the stream is still referred to`, () => {
      const result = runChild(`${paused}
        zip.destroy();
        console.log(await emptied(), zip.destroyed);
      `);
      expect(result).to.include({ status: 0, signal: null, stdout: 'true true' }, result.stderr);
    }).timeout(60_000);
  }

  it('HTTP/2, held up by flow control: what is sent later is zeros, and the addresses are used again once it is sent', () => {
    const result = runChild(
      `
      import http2 from 'node:http2';
      const { native } = await import(new URL('native.js', BINDING));
      const before = native().addressSpaceAreas();
      ${viewed(8 << 20)}
      view.fill(5);
      const server = http2.createServer();
      server.on('stream', (stream) => { stream.respond({}); stream.end(view); });
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      const client = http2.connect('http://127.0.0.1:' + server.address().port);
      const request = client.request({ ':path': '/' });
      await new Promise((resolve) => request.on('response', resolve));
      await sleep(100);
      space.release(range);
      for (let round = 0; round < 5; round++) { gc(); await sleep(10); }
      let [received, last] = [0, -1];
      request.on('data', (bytes) => { received += bytes.length; last = bytes.at(-1); });
      await Promise.race([new Promise((resolve) => request.on('end', resolve)), sleep(20_000)]);
      console.log(received, last, await emptied());
      client.destroy();
      server.close();
      space.close();
      view = undefined;
      for (let round = 0; round < 50 && native().addressSpaceAreas() > before; round++) { gc(); await sleep(10); }
      console.log(native().addressSpaceAreas() - before);
      process.exit();
      `,
      { flags: ['--expose-gc'] },
    );
    expect(result).to.include({ status: 0, signal: null, stdout: `${8 << 20} 0 true\n0` }, result.stderr);
  }).timeout(60_000);
});

for (const mapper of MAPPERS) {
  describe(`A view whose buffer was moved to another thread: ${mapper.name}`, () => {
    const worker = `
    const { Memfd } = await import(BINDING);
    const { MemoryRange } = await import(STREAMS);
    const { parentPort } = await import('node:worker_threads');
    const space = ${mapper.source};
    const range = MemoryRange.of(0, 0x4000);
    const memfd = Memfd.create('moved', 0x4000n);
    space.ensureMapped({ range, region: 'r', type: 'ram', writable: true, backing: { mappable: memfd, fileOffset: 0n } });
    const view = space.view(range);
    view.fill(7);
    // Node lets no buffer of native memory go to another thread, unless it was moved within this one before.
    const pull = (controller) => controller.byobRequest.respond(0x4000);
    const reader = new ReadableStream({ type: 'bytes', pull }).getReader({ mode: 'byob' });
    const { buffer } = (await reader.read(view)).value;
    if (HOW === 'released') space.release(range);
    if (HOW === 'closed') space.close();
    parentPort.postMessage(buffer, [buffer]);
  `;
    const source = (how: string): string => `
    import { Worker } from 'node:worker_threads';
    const text = ${JSON.stringify(worker)}.replaceAll('BINDING', JSON.stringify(BINDING)).replaceAll('STREAMS', JSON.stringify(STREAMS))
      .replaceAll('HOW', ${JSON.stringify(JSON.stringify(how))});
    const url = new URL('data:text/javascript,' + encodeURIComponent(text));
    const buffers = [];
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(url);
      worker.on('error', (error) => { throw error; });
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      const buffer = await new Promise((resolve) => worker.once('message', resolve));
      await exited;
      buffers.push(new Uint8Array(buffer));
    }
    const shared = () => memfdAreas('moved').length;
    globalThis.gc?.();
    await sleep(20);
    const values = new Set(buffers.map((bytes) => bytes[0x3fff]));
    for (const bytes of buffers) bytes.fill(9);
    const maps = memfdAreas('dma-streams').length;
    console.log(buffers.length, [...values].join(), maps, shared());
  `;

    const newer = process.env['DMA_STREAMS_NEWER_NODE'];
    const nodes = [
      { name: process.version, node: process.execPath },
      ...(newer === undefined ? [] : [{ name: 'a newer Node', node: newer }]),
    ];
    for (const { name, node } of nodes) {
      // What every byte is, and how many mappings of the file there still are.
      for (const [how, value] of [
        ['only moved', '7 0 3'],
        // An AddressSpace puts zeros in its place, a block stays.
        ['released', mapper.name === 'AddressSpace' ? '0 0 0' : '7 0 3'],
        ['closed', mapper.name === 'AddressSpace' ? '0 0 0' : '7 0 3'],
      ] as const) {
        it(`outlives its thread, ${how}, on ${name}, and the rest of the memory does not`, () => {
          expect(existsSync(node), node).to.equal(true);
          const result = runChild(source(how), { flags: ['--expose-gc'], node });
          expect(result).to.include({ status: 0, signal: null, stdout: `3 ${value}` }, result.stderr);
        }).timeout(60_000);
      }
    }
    if (newer === undefined && Number(process.versions.node.split('.')[0]) < 22) {
      it('NOT RUN on Node 22 or later: set DMA_STREAMS_NEWER_NODE to the path of its node');
    }
  });
}
