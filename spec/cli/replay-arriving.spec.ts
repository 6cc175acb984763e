import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { TraceError } from '../../cli/errors.js';
import { readTrace } from '../../cli/trace/read-trace.js';
import { commitsAt, dmaStreams, line, MAIN, PACKAGE, plainEnvironment, TemporaryTraces } from './support/command.js';

const text = (...lines: readonly object[]): string => lines.map((one) => `${JSON.stringify(one)}\n`).join('');

describe('dma-streams replay', function () {
  this.timeout(60_000);

  let traces: TemporaryTraces;
  before(() => {
    traces = new TemporaryTraces();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  describe('of standard input', () => {
    let child: ChildProcess;
    let stdout = '';
    let stderr = '';

    function start(...args: readonly string[]): Promise<unknown[]> {
      stdout = '';
      stderr = '';
      child = spawn(process.execPath, [MAIN, 'replay', '-', ...args], { cwd: PACKAGE, env: plainEnvironment() });
      child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
      child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()));
      return once(child, 'close');
    }

    async function says(what: string): Promise<void> {
      while (!stdout.includes(what)) {
        await sleep(5);
      }
    }

    afterEach(() => child.kill('SIGKILL'));

    it('shows each commit as it arrives, and no part of one whose lines say that there are more', async () => {
      const closed = start('--json');
      const [one, two] = commitsAt(0, 1).map((commit) => ({ ...commit, lines: 1 }));
      child.stdin?.write(text(one ?? {}));
      await says('"commit":0');
      const half = [two, line({ ms: 1, commit: 1, start: '0x800000', end: '0x900000', name: 'late' })].map((each) => ({
        ...each,
        lines: 2,
      }));
      child.stdin?.write(text(half[0] ?? {}));
      await sleep(500);
      expect(stdout).to.not.contain('"commit":1');
      child.stdin?.end(text(half[1] ?? {}));
      expect(await closed).to.deep.equal([0, null]);
      expect(stdout).to.contain('"commit":1').and.to.contain('"mappings":[');
      expect(stderr).to.equal('');
    });

    it('takes a commit for whole when nothing has come for a while, and the next one has another number', async () => {
      const closed = start();
      const [one, two] = commitsAt(0, 1);
      child.stdin?.write(text(one ?? {}));
      await says('ram0');
      child.stdin?.write(text(two ?? {}));
      await says('ram1');
      child.stdin?.end();
      expect(await closed).to.deep.equal([0, null]);
      expect(stdout).to.match(/Replay of standard input\n {2}each commit as it arrives\n[^]*✓ All 2 commits/);
    });

    it('gives a memory block that turns out larger a larger file, and passes the DMA check', async () => {
      const input = text(
        line(),
        line({ commit: 1, start: '0x200000', end: '0x400000', offset: '0x100000' }),
        line({ commit: 2, op: 'remove' }),
      );
      const { status, stdout: said } = await dmaStreams(['replay', '-', '--quiet'], { input });
      expect([status, said.slice(0, 17)]).to.deep.equal([0, '✓ All 3 commits r']);
    });

    it('ends with 2 at an invalid line: the commits before it were shown', async () => {
      const {
        status,
        stdout: said,
        stderr: complaint,
      } = await dmaStreams(['replay', '-', '--json'], { input: `${text(...commitsAt(0, 1))}nonsense\n` });
      expect(status).to.equal(2);
      expect(said).to.contain('"commit":0').and.not.to.contain('summary');
      expect(complaint).to.match(/^dma-streams: -:3: not JSON/);
    });

    it('is interrupted while it waits for the next commit, and unmaps', async () => {
      const closed = start();
      child.stdin?.write(text(...commitsAt(0, 1)));
      await says('ram1');
      child.kill('SIGINT');
      expect(await closed).to.deep.equal([130, null]);
      expect(stdout).to.match(/Interrupted after commit 2 \(waiting\); targets unmapped and detached\.\n$/);
    });

    it('that is empty ends with 2', async () => {
      const { status, stderr: complaint } = await dmaStreams(['replay', '-'], { input: '\n\n' });
      expect(status).to.equal(2);
      expect(complaint).to.match(/the trace is empty/);
    });
  });

  describe('of a trace whose lines say how many a commit has', () => {
    const two = [line({ lines: 2 }), line({ lines: 2, start: '0x200000', end: '0x300000', name: 'ram1' })];

    it('finds that it was cut short, or edited', async () => {
      const cases: readonly (readonly [lines: readonly object[], message: RegExp])[] = [
        [two.slice(0, 1), /commit 0 has 1 of the 2 lines .*cut short/],
        [
          [...two.slice(0, 1), line({ commit: 1, start: '0x400000', end: '0x500000' })],
          /:2: commit 0 has 1 of the 2 lines/,
        ],
        [[...two, line({ lines: 2, start: '0x400000', end: '0x500000' })], /:3: commit 0 has more than the 2 lines/],
        [
          [line({ lines: 2 }), line({ start: '0x400000', end: '0x500000' })],
          /:2: commit 0 has "lines" 2 before, and left out here/,
        ],
        [[line({ lines: 0 })], /:1: "lines" is 0/],
      ];
      for (const [lines, message] of cases) {
        const error: unknown = await readTrace(traces.write('counted.jsonl', lines)).catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(TraceError);
        expect((error as Error).message).to.match(message);
      }
    });
  });

  it('--speed N waits N times less than real, also less than 1; other numbers are refused', async () => {
    const path = traces.write('slow.jsonl', commitsAt(0, 400_000));
    const { status, stdout } = await dmaStreams(['replay', path, '--speed', '1e6', '--quiet']);
    expect([status, stdout.slice(0, 15)]).to.deep.equal([0, '✓ All 2 commits']);
    for (const speed of ['0', 'Infinity']) {
      const { status: refused, stderr } = await dmaStreams(['replay', path, `--speed=${speed}`]);
      expect(refused).to.equal(2);
      expect(stderr).to.match(/Allowed choices are max, real, or a number above 0/);
    }
  });

  it('--demo replays the trace of npm start; with a file besides it ends with 2', async () => {
    const demo = await dmaStreams(['replay', '--demo', '--json']);
    const start = await dmaStreams(['replay', 'examples/traces/q35-boot.jsonl', '--json']);
    expect(demo.status).to.equal(0);
    expect(demo.stdout).to.equal(start.stdout);
    const both = await dmaStreams(['replay', 'other.jsonl', '--demo']);
    expect([both.status, both.stdout]).to.deep.equal([2, '']);
    expect(both.stderr).to.match(/--demo has a trace of its own, and other\.jsonl is another one/);
  });
});
