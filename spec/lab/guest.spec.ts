import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { labAvailability } from '../../lab/availability.js';
import { runInGuest, type GuestEnd, type GuestOptions } from '../../lab/guest.js';
import { temporaryFolder, temporaryRoot } from '../../lab/temporary-folder.js';

const lab = labAvailability();
/** Numbers of the QEMUs that have this on their command line. */
const processesWith = (mark: string): string[] =>
  readdirSync('/proc').filter((name) => {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return words[0]?.startsWith('qemu') === true && words.some((word) => word.endsWith(mark));
    } catch {
      return false;
    }
  });
const leftovers = (): string[] => readdirSync(temporaryRoot()).filter((name) => name.startsWith('dma-streams-lab-'));

describe('the guest', function () {
  this.timeout(300_000);
  if (!lab.available) {
    it(`NOT RUN: ${lab.why}`);
    return;
  }
  let stdout = '';
  let stderr = '';

  const run = (command: readonly string[], options: Partial<GuestOptions> = {}): Promise<GuestEnd> => {
    stdout = '';
    stderr = '';
    return runInGuest({
      command,
      cwd: process.cwd(),
      env: { PATH: process.env['PATH'] },
      kernel: lab.kernel,
      onStdout: (data) => (stdout += data.toString()),
      onStderr: (data) => (stderr += data.toString()),
      ...options,
    });
  };

  it('brings status, output and errors back apart, and passes arguments, folder and environment on as they are', async () => {
    const odd = ['a b', "c'd", 'e\nf', '$HOME', '"', '\\'];
    const script = 'printf "%s|" "$PWD" "$ODD" "$@"; echo wrong >&2; exit 42';

    const end = await run(['sh', '-c', script, 'sh', ...odd], { env: { PATH: process.env['PATH'], ODD: "it's\nodd" } });

    expect(end).to.deep.equal({ kind: 'exited', status: 42 });
    expect(stdout).to.equal(`${[process.cwd(), "it's\nodd", ...odd].join('|')}|`);
    expect(stderr).to.equal('wrong\n');
    expect(leftovers()).to.deep.equal([]);
  });

  it('brings files back from the output folder, and from nowhere else', async () => {
    const out = temporaryFolder('dma-streams-out-');
    const end = await run(['sh', '-c', `echo brought > ${out}/file; echo lost > ${process.cwd()}/lost`], { out });

    expect(end).to.deep.equal({ kind: 'exited', status: 0 });
    expect(readFileSync(join(out, 'file'), 'utf8')).to.equal('brought\n');
    expect(existsSync('lost')).to.equal(false);
    rmSync(out, { recursive: true });
  });

  it('tells a command that is not there, 127', async () => {
    expect(await run(['no-such-command'])).to.deep.equal({ kind: 'exited', status: 127 });
  });

  it('tells a timeout', async () => {
    expect((await run(['sleep', '1000'], { timeout: 10 })).kind).to.equal('timed-out');
    expect(leftovers()).to.deep.equal([]);
  });

  it('tells a panic', async () => {
    expect((await run(['sh', '-c', 'echo c > /proc/sysrq-trigger'])).kind).to.equal('panicked');
  });

  it('tells a QEMU that does not start, and one that is not there', async () => {
    expect((await run(['true'], { qemuArguments: ['-no-such-option'] })).kind).to.equal('not-started');
    expect((await run(['true'], { qemu: '/no/such/qemu' })).kind).to.equal('not-started');
  });

  it('ends with the process that started it, also when that is killed, and leaves no folder behind', async () => {
    const mark = `lab-spec-${process.pid}`;
    const source = `
      import { runInGuest } from ${JSON.stringify(new URL('../../lab/guest.js', import.meta.url).href)};
      import { temporaryRoot } from ${JSON.stringify(new URL('../../lab/temporary-folder.js', import.meta.url).href)};
      console.log(temporaryRoot());
      const said = (data) => process.stdout.write(data);
      await runInGuest({
        command: ['sh', '-c', 'echo up; sleep 1000'], cwd: '/', env: {}, kernel: ${JSON.stringify(lab.kernel)},
        kernelArguments: '${mark}', onStdout: said, onStderr: said,
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const data of child.stdout) {
      said += String(data);
      if (said.includes('up\n')) {
        break;
      }
    }
    const [folder = ''] = said.split('\n');
    expect(processesWith(mark)).to.have.length(1);
    expect(existsSync(folder), folder).to.equal(true);
    child.kill('SIGKILL');
    for (let waited = 0; waited < 300 && (processesWith(mark).length > 0 || existsSync(folder)); waited++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(processesWith(mark)).to.deep.equal([]);
    expect(existsSync(folder), folder).to.equal(false);
  });

  it('counts instructions, where it is told to: the same for the same work, and in proportion to it', async () => {
    const program = `
      function work(steps) { let sum = 0; for (let at = 0; at < steps; at++) { sum = (sum * 31 + at) | 0; } return sum; }
      function count(steps) { const from = process.hrtime.bigint(); work(steps); return Number(process.hrtime.bigint() - from); }
      for (let round = 0; round < 20; round++) { work(1000000); }
      console.log(JSON.stringify([1, 1, 1, 2, 2, 2].map((times) => count(times * 1000000))));`;
    const counts: number[] = [];
    for (let boot = 0; boot < 2; boot++) {
      const end = await run([process.execPath, '--single-threaded', '-e', program], { countInstructions: true });
      expect(end, stderr).to.deep.equal({ kind: 'exited', status: 0 });
      counts.push(...(JSON.parse(stdout) as number[]));
    }
    const [one = NaN] = counts;
    expect(one).to.be.greaterThan(1_000_000);
    for (const [index, counted] of counts.entries()) {
      expect(counted / one, counts.join(' ')).to.be.closeTo(index % 6 < 3 ? 1 : 2, 0.02);
    }
  });

  it('is not started once it was stopped', async () => {
    expect(await run(['true'], { signal: AbortSignal.abort() })).to.deep.include({ kind: 'aborted' });
  });

  it('can be stopped', async () => {
    const stop = new AbortController();
    setTimeout(() => {
      stop.abort();
    }, 1000);
    expect((await run(['sleep', '1000'], { signal: stop.signal })).kind).to.equal('aborted');
  });
});

describe('npm run lab', function () {
  this.timeout(300_000);
  const main = new URL('../../lab/main.js', import.meta.url).pathname;

  it('refuses --qemu with a quotation mark that is not closed', () => {
    const { status, stderr } = spawnSync(process.execPath, [main, '--qemu', `-name 'a`, 'true'], { encoding: 'utf8' });
    expect(status).to.equal(1);
    expect(stderr).to.contain('A quotation mark is not closed.');
  });

  if (!lab.available) {
    it(`NOT RUN: ${lab.why}`);
    return;
  }
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', null],
  ] as const) {
    it(`ends with its guest when npm gets ${signal}`, async () => {
      const mark = `lab-spec-${process.pid}-${signal}`;
      const command = ['sh', '-c', 'echo up; sleep 1000'];
      const npm = spawn('npm', ['run', '--silent', 'lab', '--', '--append', mark, ...command], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const closed = once(npm, 'close');
      let said = '';
      npm.stderr.on('data', (data: Buffer) => (said += data.toString()));
      for await (const data of npm.stdout.iterator({ destroyOnReturn: false })) {
        said += String(data);
        if (said.includes('up\n')) {
          break;
        }
      }
      expect(processesWith(mark), said).to.have.length(1);
      npm.stdout.resume();
      npm.kill(signal);
      // Until the last process that holds its output has ended: the command would run for a thousand seconds.
      expect(await closed, said).to.deep.equal([expected, expected === null ? signal : null]);
      expect(processesWith(mark)).to.deep.equal([]);
    });
  }

  it('gives the kernel all of --append, and QEMU all of --qemu', () => {
    const more = ['--append', 'first=1 second=2', '--append', 'third=3', '--qemu', '-device edu,addr=09.0'];
    const command = ['sh', '-c', 'cat /proc/cmdline; ls /sys/bus/pci/devices'];
    const args = [main, ...more, '--qemu', `-device 'edu,addr=0a.0'`, ...command];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
    expect(stdout).to.match(/^console=.* first=1 second=2 third=3$/m);
    expect(stdout)
      .to.match(/^0000:00:09\.0$/m)
      .and.match(/^0000:00:0a\.0$/m);
  });
});
