import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { readTrace } from '../../cli/trace/read-trace.js';
import { describeSection, type RecordedSection } from '../../cli/trace/section.js';
import type { Trace } from '../../cli/trace/trace.js';
import { MACHINES } from '../qemu/machines.js';
import { RunningQemu, whyNoQemu } from '../qemu/running-qemu.js';
import { FakeQmp, flatViewText, sectionLine } from '../sources/support/fake-qmp.js';
import { dmaStreams, MAIN, PACKAGE, plainEnvironment, TemporaryTraces } from './support/command.js';

const ONE = flatViewText([sectionLine(0, 0x9ffff, 'ram')]);
const TWO = flatViewText([sectionLine(0, 0x9ffff, 'ram'), sectionLine(0xc0000, 0xdffff, 'a\nb\u001b[31m', 'rom')]);

/** The sections that are there at the end of a trace, in any order. */
function endOf({ commits }: Trace): readonly string[] {
  const there = new Set<RecordedSection>();
  for (const { removes, adds } of commits) {
    for (const section of removes) {
      there.delete(section);
    }
    for (const section of adds) {
      there.add(section);
    }
  }
  return Array.from(there, describeSection).sort();
}

const reason = whyNoQemu();

describe('dma-streams record', function () {
  this.timeout(120_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  function record(...args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [MAIN, 'record', ...args], {
      cwd: PACKAGE,
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await sleep(5);
    }
  }

  for (const [signal, status] of [
    ['SIGINT', 0],
    ['SIGTERM', 143],
  ] as const) {
    it(`by ${signal} ends with ${status}, and the file is complete`, async () => {
      await using qmp = await FakeQmp.listen(ONE);
      const output = traces.path(`${signal}.jsonl`);
      const lines = (): string[] => (existsSync(output) ? readFileSync(output, 'utf8').split('\n') : []);
      const child = record('--qmp', qmp.path, '-o', output, '--interval', '5');
      let stderr = '';
      child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()));
      const closed = once(child, 'close');
      await until(() => lines().length === 2);
      qmp.text = TWO;
      await until(() => lines().length === 3);
      child.kill(signal);
      expect(await closed).to.deep.equal([status, null]);
      const names = lines()
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { readonly name: string }).name);
      expect(names).to.deep.equal(['ram', 'a\nb\u001b[31m']);
      expect(stderr).to.match(/^dma-streams: recorded 2 commits over .* in .*jsonl\n$/);
      expect((await readTrace(output)).commits).to.have.length(2);
    });
  }

  it('ends with 0 when QEMU ends; with 1, and what was recorded before, when it hangs', async () => {
    await using qmp = await FakeQmp.listen(ONE);
    const ended = record('--qmp', qmp.path, '--interval', '5');
    let stdout = '';
    let told = '';
    ended.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
    ended.stderr?.on('data', (data: Buffer) => (told += data.toString()));
    const closed = once(ended, 'close');
    await until(() => qmp.asked > 1 && stdout !== '');
    await qmp.quit();
    expect(await closed).to.deep.equal([0, null]);
    expect(told).to.match(/^dma-streams: QEMU has ended; recorded 1 commit over \d+ ms\n$/);
    expect(JSON.parse(stdout)).to.deep.include({ commit: 0, op: 'add', end: '0xa0000', lines: 1 });

    await using hung = await FakeQmp.listen(ONE, {
      answer: (socket, asked) => asked === 1 && socket.write(`${JSON.stringify({ return: ONE })}\n`),
    });
    const {
      status,
      stdout: said,
      stderr,
    } = await dmaStreams(['record', '--qmp', hung.path, '--interval', '5', '--timeout', '50']);
    expect(status).to.equal(1);
    expect(said.split('\n')).to.have.length(2);
    expect(stderr).to.match(/^dma-streams: ETIMEDOUT: .* has not answered .*; QEMU hangs or is stopped/);
  });

  it('goes on when QEMU comes back in time, with what has changed', async () => {
    await using qmp = await FakeQmp.listen(ONE);
    const child = record('--qmp', qmp.path, '--interval', '5', '--reconnect', '600000');
    let stdout = '';
    child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
    const closed = once(child, 'close');
    await until(() => stdout !== '');
    await qmp.quit();
    qmp.text = TWO;
    await qmp.open();
    await until(() => stdout.split('\n').length === 3);
    child.kill('SIGINT');
    expect(await closed).to.deep.equal([0, null]);
    const commits = stdout.trimEnd().split('\n');
    expect(JSON.parse(commits[1] ?? '')).to.deep.include({ commit: 1, op: 'add', start: '0xc0000', lines: 1 });
  });

  it('makes no file when it cannot connect, and asks nothing when the file cannot be written', async () => {
    const output = traces.path('none.jsonl');
    const missing = await dmaStreams(['record', '--qmp', traces.path('qmp'), '-o', output, '--reconnect', '0']);
    expect([missing.status, missing.stdout, existsSync(output)]).to.deep.equal([1, '', false]);
    expect(missing.stderr).to.match(/^dma-streams: ENOENT: cannot connect to .*no such file.*-qmp unix:PATH/);
    await using qmp = await FakeQmp.listen(ONE);
    const refused = await dmaStreams(['record', '--qmp', qmp.path, '-o', '/nowhere/trace']);
    expect([refused.status, qmp.asked]).to.deep.equal([2, 0]);
    expect(refused.stderr).to.match(/cannot write \/nowhere\/trace: its directory does not exist/);
  });

  for (const [title, args, message] of [
    ['no socket', [], /required option '--qmp <socket>' not specified/],
    ['an interval of 0', ['--qmp', 'x', '--interval', '0'], /whole number of milliseconds, from 1 to 999999999; see/],
  ] as const) {
    it(`ends with 2: ${title}`, async () => {
      const { status, stderr } = await dmaStreams(['record', ...args]);
      expect(status).to.equal(2);
      expect(stderr).to.match(message);
    });
  }

  (reason === undefined ? it : it.skip)(
    `${reason === undefined ? '' : `NOT RUN: ${reason}: `}a recording of the boot of a real QEMU replays, and ends with its memory map`,
    async () => {
      const [q35] = MACHINES;
      if (q35 === undefined) {
        throw new Error('there is no machine');
      }
      const output = traces.path('boot.jsonl');
      await using qemu = await RunningQemu.start(q35);
      const child = record('--qmp', qemu.qmpSocket, '-o', output, '--interval', '10');
      const closed = once(child, 'close');
      await until(() => existsSync(output) && readFileSync(output, 'utf8') !== '');
      await qemu.run();
      await until(() => qemu.said.includes('No bootable device'));
      const { flat } = await qemu.record();
      // It sees the last state within the interval.
      await sleep(300);
      await qemu.quit();
      expect(await closed).to.deep.equal([0, null]);
      const { status, stdout } = await dmaStreams(['replay', output, '--quiet']);
      expect(stdout).to.match(/^✓ All \d+ commits reached/);
      expect(status).to.equal(0);
      const imported = await dmaStreams(['import', 'mtree', '-'], { input: flat });
      const wanted = traces.write('wanted.jsonl', imported.stdout);
      expect(endOf(await readTrace(output))).to.deep.equal(endOf(await readTrace(wanted)));
    },
  );
});
