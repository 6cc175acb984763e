import { expect } from 'chai';
import { needsKvm } from '../../support/kvm-machine.js';
import { runChild } from '../support/child.js';

/** In a program given as text: a VM, and `vcpu` in an endless loop, which no exit ends. */
const SPINNING = `
  const { KvmMachine, PROGRAM } = await import(${JSON.stringify(new URL('../../support/kvm-machine.js', import.meta.url).href)});
  let machine = new KvmMachine();
  machine.load(PROGRAM.spin);`;

/** Counts them. A thread may end while it is looked at. */
const THREADS = `
  const nameOf = (id) => {
    try {
      return readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim();
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
      return 'ended';
    }
  };
  const threads = () => readdirSync('/proc/self/task').map(nameOf).filter((name) => name === 'dma-streams').length;`;

describe('the thread of a vCPU', function () {
  before(function () {
    needsKvm(this);
  });

  it('ends with the process, which a run does not hold up', () => {
    const result = runChild(`${SPINNING}
      machine.vcpu.run();
      await sleep(50);
      console.log('running');
      process.exit(3);`);
    expect(result).to.include({ status: 3, signal: null, stdout: 'running' }, result.stderr);
  });

  it('keeps the process alive while it runs, and not otherwise', () => {
    const result = runChild(`${SPINNING}
      machine.load(PROGRAM.halt);
      await machine.vcpu.run();
      machine.load(PROGRAM.spin);
      machine.vcpu.run().then((exit) => console.log(exit.kind));
      setTimeout(() => machine.vcpu.interrupt(), 300).unref();`);
    expect(result).to.include({ status: 0, stdout: 'interrupted' }, result.stderr);
  });

  it('ends with the worker that made it: terminated in a run, six times at several moments', () => {
    const result = runChild(
      `
      import { Worker } from 'node:worker_threads';
      ${THREADS}
      const program = \`(async () => { ${SPINNING.replaceAll('`', '')}
        const { parentPort } = await import('node:worker_threads');
        machine.vcpu.run();
        parentPort.postMessage('running');
      })()\`;
      for (let round = 0; round < 6; round++) {
        const worker = new Worker(program, { eval: true });
        await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
        // It has its name a moment after it began.
        while (round % 2 === 0 && threads() !== 1) await sleep(1);
        if (round % 4 === 0) await sleep(round);
        await worker.terminate();
        if (threads() !== 0) throw new Error('threads left: ' + threads());
      }
      console.log('done');`,
      { timeout: 240_000 },
    );
    expect(result).to.include({ status: 0, stdout: 'done' }, result.stderr);
  }).timeout(250_000);

  it('sends no signal to the program, and uses none of its signals', () => {
    const result = runChild(`${SPINNING}
      let urgent = 0;
      process.on('SIGURG', () => { urgent++; });
      for (let round = 0; round < 50; round++) {
        const running = machine.vcpu.run();
        await sleep(1);
        if (round % 5 === 0) process.kill(process.pid, 'SIGURG');
        machine.vcpu.interrupt();
        const { kind } = await running;
        if (kind !== 'interrupted') throw new Error(kind);
      }
      await sleep(50);
      // Signals of one kind that are pending are one.
      console.log(urgent > 0 && urgent <= 10);
      process.exit(0);`);
    expect(result).to.include({ status: 0, stdout: 'true' }, result.stderr);
  });

  it('takes none of the signals that others send to the process, while vCPUs exit and are interrupted all the time', () => {
    const result = runChild(`${SPINNING}
      import { spawn } from 'node:child_process';
      import { once } from 'node:events';
      machine.load([0xe6, 0x10, 0xeb, 0xfc]); // next: out 0x10, al; jmp next
      const vcpus = [machine.vcpu, machine.vm.createVcpu(1), machine.vm.createVcpu(2)];
      for (const vcpu of vcpus) {
        vcpu.setUpRealMode({ entry: 0x1000 });
        (async () => { for (let round = 0; ; round++) { const running = vcpu.run(); if (round % 8 === 0) vcpu.interrupt(); await running; } })();
      }
      const sender = spawn('sh', ['-c', 'while read line; do kill -URG ' + process.pid + '; done'], { stdio: ['pipe', 'inherit', 'inherit'] });
      let lost = 0;
      for (let sent = 0; sent < 100 && lost === 0; sent++) {
        const signal = once(process, 'SIGURG');
        sender.stdin.write('next\\n');
        lost += await Promise.race([signal.then(() => 0), sleep(10_000, 1)]);
      }
      console.log(lost);
      process.exit(0);`);
    expect(result).to.include({ status: 0, stdout: '0' }, result.stderr);
  });

  it('goes on after signals for the process', () => {
    const result = runChild(`${SPINNING}
      let signals = 0;
      process.on('SIGUSR2', () => { signals++; });
      const running = machine.vcpu.run();
      for (let round = 0; round < 50; round++) {
        process.kill(process.pid, 'SIGUSR2');
        await sleep(1);
      }
      machine.vcpu.interrupt();
      console.log((await running).kind, signals > 10);
      process.exit(0);`);
    expect(result).to.include({ status: 0, stdout: 'interrupted true' }, result.stderr);
  });

  it('is collected with its vCPU, when nobody refers to it any more', () => {
    const result = runChild(
      `${SPINNING} ${THREADS}
      machine.load(PROGRAM.halt);
      await machine.vcpu.run();
      const [before, descriptors] = [threads(), readdirSync('/proc/self/fd').length];
      const closed = () => descriptors - readdirSync('/proc/self/fd').length;
      machine = undefined;
      for (let round = 0; round < 100 && (threads() > 0 || closed() <= 3); round++) {
        gc();
        await sleep(20);
      }
      console.log(before, threads(), closed() > 3);`,
      { flags: ['--expose-gc'] },
    );
    expect(result).to.include({ status: 0, stdout: '1 0 true' }, result.stderr);
  });

  it('10,000 rounds of slots, and 300 of whole VMs, leave no descriptor, area, thread and heap behind', () => {
    const result = runChild(
      `${SPINNING} ${THREADS}
      const { MemoryRange } = await import(STREAMS);
      const far = MemoryRange.of(0x40000000n, 0x40010000n);
      const hostVa = machine.hostVa(far);
      const slots = async (rounds) => {
        for (let round = 0; round < rounds; round++) {
          const table = round % 10 === 0 ? machine.vm.memorySlots() : machine.slots;
          if (machine.set(far, hostVa, true, table) !== 0 || machine.delete(far, table) !== 0) throw new Error('round ' + round);
          if (round % 100 === 0) await turn();
        }
      };
      const machines = async (rounds) => {
        for (let round = 0; round < rounds; round++) {
          const one = new KvmMachine();
          await one.run(PROGRAM.halt);
          const running = one.run(PROGRAM.spin);
          one.vcpu.close();
          await running;
          one[Symbol.dispose]();
          await turn();
        }
      };
      const left = async () => {
        await sleep(50);
        for (let n = 0; n < 5; n++) { gc(); await turn(); }
        return [readdirSync('/proc/self/fd').length, readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => /kvm|memfd/.test(line)).length, threads(), process.memoryUsage().heapUsed];
      };
      await slots(500); await machines(20);
      const first = await left();
      await slots(10_000); await machines(300);
      const last = await left();
      console.log(JSON.stringify([first.slice(0, 3), last.slice(0, 3)]), last[3] - first[3] < 2_000_000);
      const same = JSON.stringify(first.slice(0, 3)) === JSON.stringify(last.slice(0, 3));
      process.exit(same ? 0 : 1);`,
      { flags: ['--expose-gc'], timeout: 240_000 },
    );
    expect(result.status, `${result.stdout} ${result.stderr}`).to.equal(0);
    expect(result.stdout).to.match(/true$/);
  }).timeout(250_000);
});
