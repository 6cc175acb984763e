import { closeSync, openSync, readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { Memfd } from '../../../binding/index.js';
import { BINDING, runChild } from '../support/child.js';
import { memfdAreas, openDescriptors } from '../support/descriptors.js';

const MIB = 1n << 20n;

/** The threads of this process. */
function threads(): number {
  return readdirSync('/proc/self/task').length;
}

async function untilThreads(count: number): Promise<void> {
  while (threads() > count) {
    await turn();
  }
}

describe('closing a file that holds much memory', () => {
  it('frees the number at once, and the pages on another thread', async () => {
    const descriptors = openDescriptors();
    const memfd = Memfd.create('much', 512n * MIB, { reserve: true });
    const { fd } = memfd;
    const before = threads();
    memfd.close();
    expect(threads(), 'while the pages are being freed').to.equal(before + 1);
    expect(openDescriptors()).to.equal(descriptors);
    const other = openSync('/dev/null', 'r');
    closeSync(other);
    expect(other, 'the number is in use again').to.equal(fd);
    await untilThreads(before);
    expect(memfdAreas('much')).to.deep.equal([]);
  });

  it('uses no thread for what is freed in no time: a small one, or one that is hardly touched', () => {
    const before = threads();
    for (const memfd of [Memfd.create('small', 4n * MIB, { reserve: true }), Memfd.create('empty', 1n << 40n)]) {
      memfd.close();
      expect(threads(), memfd.label).to.equal(before);
    }
  });

  it('many at once: all are closed, with a few threads', async () => {
    const before = threads();
    const descriptors = openDescriptors();
    const memfds = Array.from({ length: 30 }, (_, index) => Memfd.create(`many ${index}`, 8n * MIB, { reserve: true }));
    memfds.forEach((memfd) => {
      memfd.close();
    });
    expect(openDescriptors()).to.equal(descriptors);
    expect(threads()).to.be.at.most(before + 8);
    await untilThreads(before);
    expect(memfdAreas('many')).to.deep.equal([]);
  });

  it('needs no descriptor: it works where none is left', () => {
    const result = runChild(
      `
      const { openSync } = await import('node:fs');
      const { Memfd } = await import(BINDING);
      const memfd = Memfd.create('much', ${64n * MIB}n, { reserve: true });
      try { for (;;) openSync('/dev/null', 'r'); } catch (error) { console.log(error.code); }
      const { fd } = memfd;
      memfd.close();
      console.log(openSync('/dev/null', 'r') === fd);
      `,
      { through: ['sh', '-c', 'ulimit -n 64 && exec "$0" "$@"'] },
    );
    expect(result).to.include({ status: 0, stdout: 'EMFILE\ntrue' }, result.stderr);
  });

  it('is safe when the process, or the worker that alone uses the addon, ends at the same time', () => {
    const close = `
      const much = [1, 2, 3].map((n) => Memfd.create('much' + n, ${128n * MIB}n, { reserve: true }));
      much.forEach((memfd) => memfd.close());
      process.exit(0);`;
    const ended = runChild(`const { Memfd } = await import(BINDING); ${close}`);
    expect(ended).to.include({ status: 0, signal: null }, ended.stderr);
    const worker = `import(${JSON.stringify(BINDING)}).then(({ Memfd }) => { ${close} })`;
    const result = runChild(`
      const { Worker } = await import('node:worker_threads');
      for (let round = 0; round < 3; round++) {
        await new Promise((resolve) => new Worker(${JSON.stringify(worker)}, { eval: true }).on('exit', resolve));
      }
      console.log('done');`);
    expect(result).to.include({ status: 0, signal: null, stdout: 'done' }, result.stderr);
  }).timeout(60_000);
});
