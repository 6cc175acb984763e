import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { expect } from 'chai';
import { FakeBackEnd } from '../targets/vhost-user/support/fake-back-end.js';
import { commitsAt, MAIN, PACKAGE, plainEnvironment, TemporaryTraces } from './support/command.js';

/** Longer than any of these specs may take. */
const LATER = 600_000;

/** A command that runs, and what it has written so far. */
class Running {
  /** All that were started. */
  static readonly #all: Running[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  stdout = '';
  stderr = '';

  constructor(program: string, args: readonly string[], stdin: 'ignore' | 'pipe' = 'ignore') {
    this.#child = spawn(program, args, { cwd: PACKAGE, env: plainEnvironment(), stdio: [stdin, 'pipe', 'pipe'] });
    this.#closed = once(this.#child, 'close');
    Running.#all.push(this);
    this.#child.stdout?.on('data', (data: Buffer) => (this.stdout += data.toString()));
    this.#child.stderr?.on('data', (data: Buffer) => (this.stderr += data.toString()));
  }

  static dmaStreams(...args: readonly string[]): Running {
    return new Running(process.execPath, [MAIN, ...args], args.includes('-') ? 'pipe' : 'ignore');
  }

  /** Ends those that still run, after a spec that failed. */
  static killAll(): void {
    for (const running of Running.#all.splice(0)) {
      running.kill('SIGKILL');
    }
  }

  get pid(): number {
    return this.#child.pid ?? NaN;
  }

  /** Writes to its standard input. Resolves when the system has taken all of it. */
  write(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.stdin?.write(text, (error) => {
        if (error == null) {
          resolve();
        } else {
          reject(error);
        }
      });
    });
  }

  /** Waits until standard output holds the text. */
  async says(text: string): Promise<void> {
    await this.until(() => this.stdout.includes(text));
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`it has ended: ${this.stdout}${this.stderr}`);
      }
      await sleep(10);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit status, or the signal that ended it. */
  async end(): Promise<number | NodeJS.Signals | null> {
    await this.#closed;
    return this.#child.exitCode ?? this.#child.signalCode;
  }
}

/** Names of the memory blocks that a replay has made. */
function memoryFilesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`)
      .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
      .filter((path) => path.startsWith('/memfd:ram'));
  } catch {
    return [];
  }
}

describe('dma-streams, when it is interrupted', function () {
  this.timeout(60_000);

  let traces: TemporaryTraces;
  let slow: string;
  before(() => {
    traces = new TemporaryTraces();
    slow = traces.write('slow.jsonl', commitsAt(0, 1, LATER, LATER + 1));
  });
  afterEach(() => {
    Running.killAll();
  });
  after(() => {
    traces[Symbol.dispose]();
  });

  it('while it waits for a back end that does not answer, ends at once, with 130', async () => {
    const backEnd = await FakeBackEnd.listen({ answer: () => 'silence' });
    try {
      const replay = Running.dmaStreams('replay', slow, '--target', `vhost-user:${backEnd.path},timeout=600`);
      await replay.until(() => backEnd.received.length > 0);
      replay.kill('SIGINT');
      expect(await replay.end(), replay.stderr).to.equal(130);
      expect(replay.stdout).to.match(
        /Interrupted after commit 0 of 4 \(attaching\); targets unmapped and detached\.\n$/,
      );
      expect(replay.stderr).to.equal('');
    } finally {
      backEnd.close();
    }
  });

  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`by ${signal} in a recorded wait, says how far it came, and ends with ${expected}`, async () => {
      const replay = Running.dmaStreams('replay', slow, '--speed', 'real');
      await replay.says('ram1');
      replay.kill(signal);
      expect(await replay.end(), replay.stderr).to.equal(expected);
      expect(replay.stdout).to.match(
        /ram1 {2}rw\n\n\S+ Interrupted after commit 2 of 4 \(waiting\); targets unmapped and detached\.\n$/,
      );
      expect(replay.stderr).to.equal('');
    });

    it(`by ${signal}, with --json: writes whole lines, the unmaps of every target, and a summary that says so`, async () => {
      const replay = Running.dmaStreams('replay', slow, '--speed', 'real', '--json');
      await replay.says('{"op":"commit","commit":1}\n');
      replay.kill(signal);
      expect(await replay.end(), replay.stderr).to.equal(expected);
      expect(replay.stdout).to.match(/\n$/);
      const lines = replay.stdout
        .trimEnd()
        .split('\n')
        .map((text) => JSON.parse(text) as Record<string, unknown>);
      const end = lines.findIndex(({ op, commit }) => op === 'commit' && commit === 1) + 1;
      const ranges = ['0x0-0x100000', '0x100000-0x200000'];
      const targets = ['log', 'soft', 'soft:iommufd'];
      expect(lines.slice(end, -1)).to.have.deep.members(
        targets.flatMap((target) => ranges.map((range) => ({ target, op: 'unmap', range }))),
      );
      expect(lines.at(-1)).to.deep.include({
        op: 'summary',
        interrupted: { commits: 2, during: 'wait', of: 4 },
        targets: targets.map((name) => ({ name, maps: 2, unmaps: 2, failed: 0 })),
      });
      expect(replay.stderr).to.equal('');
    });

    it(`by ${signal}, with --quiet: writes one line`, async () => {
      const replay = Running.dmaStreams('replay', slow, '--speed', 'real', '--quiet', '--target', 'soft');
      // It writes nothing before. The memory of the second commit is there: it waits for the third, or soon will.
      await replay.until(() => memoryFilesOf(replay.pid).length === 2);
      replay.kill(signal);
      expect(await replay.end(), replay.stderr).to.equal(expected);
      expect(replay.stdout).to.match(
        /^\S+ Interrupted after commit 2 of 4 \(waiting\); target unmapped and detached\.\n$/,
      );
      expect(replay.stderr).to.equal('');
    });

    it(`by ${signal} while it reads standard input, ends at once with ${expected}`, async () => {
      const replay = Running.dmaStreams('replay', '-');
      // Blank lines, more of them than a pipe holds: once they are all written it has begun to read.
      await replay.write('\n'.repeat(1 << 20));
      replay.kill(signal);
      expect(await replay.end()).to.equal(expected);
      expect(replay.stdout + replay.stderr).to.equal('');
    });
  }

  const noScript = spawnSync('script', ['--version']).error !== undefined;
  const why = noScript ? 'NOT RUN: script(1) of util-linux is not installed: ' : '';
  (noScript ? it.skip : it)(`${why}takes the progress bar away, and writes below the lines of the replay`, async () => {
    const command = [process.execPath, MAIN, 'replay', slow, '--speed', 'real'].join(' ');
    const terminal = new Running('script', ['-qec', `echo "it is $$"; exec ${command}`, '/dev/null']);
    await terminal.says('commit 2 of 4');
    const [, pid] = /it is (\d+)/.exec(terminal.stdout) ?? [];
    process.kill(Number(pid), 'SIGINT');
    expect(await terminal.end()).to.equal(130);
    const said = terminal.stdout;
    const [beforeIt = '', end = ''] = said.split(/\r\n(?=[^\r]*Interrupted after)/);
    // The bar was the last thing on its line, and that was erased.
    expect(beforeIt).to.match(/commit 2 of 4[^\r\n]*\u001b\[1G\u001b\[2K$/);
    expect(stripVTControlCharacters(end)).to.match(/Interrupted after commit 2 of 4 \(waiting\); [^\r]*\r\n$/);
  });

  it('ends at once when it is interrupted again', async () => {
    // It would never end by itself.
    const preload = 'data:text/javascript,setInterval(() => undefined, 1000)';
    const replay = new Running(process.execPath, ['--import', preload, MAIN, 'replay', slow, '--speed', 'real']);
    await replay.says('ram1');
    replay.kill('SIGINT');
    await replay.says('Interrupted');
    replay.kill('SIGINT');
    expect(await replay.end()).to.equal('SIGINT');
  });

  it('ends doctor as any command: 130 for a shell', async () => {
    // When it begins to look at the machine.
    const source = `
      import os from 'node:os';
      import { syncBuiltinESMExports } from 'node:module';
      os.release = () => process.kill(process.pid, 'SIGINT');
      syncBuiltinESMExports();`;
    const preload = `data:text/javascript,${encodeURIComponent(source)}`;
    const args = ['-c', '"$@"; echo "status $?"', 'sh', process.execPath, '--import', preload, MAIN, 'doctor'];
    const shell = new Running('/bin/sh', args);
    await shell.end();
    expect(shell.stdout).to.equal('status 130\n');
  });
});
