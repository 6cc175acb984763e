import { expect } from 'chai';
import { runChild } from './support/child.js';

describe('a storm of signals', () => {
  it('interrupts nothing: every native call does what it should, or is made again', () => {
    const result = runChild(
      `
      import { spawn } from 'node:child_process';
      import { once } from 'node:events';
      import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
      const { AddressSpace, Memfd } = await import(BINDING);
      const { MemoryRange } = await import(STREAMS);
      let signals = 0;
      process.on('SIGUSR2', () => { signals++; });
      const storm = spawn(process.execPath, ['-e', \`
        const pid = \${process.pid};
        console.log('on');
        for (;;) { try { process.kill(pid, 'SIGUSR2'); } catch { break; } }
      \`], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(storm.stdout, 'data');
      const path = '/dev/shm/dma-streams-storm-' + process.pid;
      const fd = openSync(path, 'w+');
      ftruncateSync(fd, 0x100000);
      const range = MemoryRange.of(0, 0x100000);
      let wrong = 0;
      for (let round = 0; round < 400; round++) {
        const sealed = Memfd.create('sealed', 0x100000n);
        const fragile = Memfd.from(fd, 'fragile');
        for (const mappable of [sealed, fragile]) {
          const space = new AddressSpace({ size: 1n << 34n });
          space.ensureMapped({ range, region: 'r', type: 'ram', writable: true, backing: { mappable, fileOffset: 0n } });
          // Long enough for a signal to come in the middle.
          const data = Buffer.alloc(0x100000, round % 251);
          space.write(0n, data);
          if (!space.read(0n, 0x100000).equals(data)) wrong++;
          space.release(range);
          space.close();
          mappable.close();
        }
        if (round % 20 === 0) await turn();
      }
      storm.kill('SIGKILL');
      closeSync(fd);
      unlinkSync(path);
      console.log(wrong, signals > 10);
      process.exit(0);
      `,
    );
    expect(result).to.include({ status: 0, stdout: '0 true' }, result.stderr);
  }).timeout(120_000);
});
