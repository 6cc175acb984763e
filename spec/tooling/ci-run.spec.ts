import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { PACKAGE } from '../cli/support/command.js';
import { isRunning } from '../support/running.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

describe('.ci/run, when it is interrupted', function () {
  this.timeout(60_000);

  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder('dma-streams-ci-');
    for (const name of ['.ci', 'bin', 'tmp']) {
      mkdirSync(join(folder, name));
    }
    copyFileSync(join(PACKAGE, '.ci/run'), join(folder, '.ci/run'));
    writeFileSync(join(folder, 'package.json'), '{ "scripts": { "test:asan": "" } }');
    // Nothing is installed: these two are its first long steps, which run beside one another and do not heed SIGTERM.
    const npm = `#!/bin/bash
case "$*" in 'run test:asan') name=beside ;; 'run lint') name=lint ;; *) exit 0 ;; esac
trap '' TERM
echo $$ > ${folder}/$name
sleep 100 &
wait
wait
`;
    const installed = ['npx', 'g++', 'make', 'python3', 'clang-format-19', 'clang-tidy-19', 'chromium'];
    for (const [name, text] of [['npm', npm], ...installed.map((each) => [each, '#!/bin/sh\n'])] as const) {
      writeFileSync(join(folder, 'bin', name ?? ''), text ?? '');
      chmodSync(join(folder, 'bin', name ?? ''), 0o755);
    }
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(`by ${signal}, ends what runs, leaves no temporary folder, and ends with ${expected}`, async () => {
      const env = { ...process.env, TMPDIR: join(folder, 'tmp'), PATH: `${folder}/bin:${process.env['PATH'] ?? ''}` };
      const run = spawn('bash', ['.ci/run'], { cwd: folder, env, stdio: 'ignore' });
      const ended = once(run, 'exit');
      const steps = await Promise.all(['lint', 'beside'].map((name) => pidIn(join(folder, name), run)));
      expect(readdirSync(join(folder, 'tmp'))).to.have.length(1);
      run.kill(signal);
      expect(await ended).to.deep.equal([expected, null]);
      expect(readdirSync(join(folder, 'tmp'))).to.deep.equal([]);
      // They were killed: the system may take a moment to end them. Left alone, they would run for 100 seconds.
      for (let wait = 0; wait < 100 && steps.some(isRunning); wait++) {
        await sleep(20);
      }
      expect(steps.map(isRunning)).to.deep.equal([false, false]);
    });
  }
});

/** The process that has written its number into this file, which the run starts. */
async function pidIn(path: string, run: ChildProcess): Promise<number> {
  while (!existsSync(path) || readFileSync(path, 'utf8') === '') {
    expect(run.exitCode).to.equal(null);
    await sleep(20);
  }
  return Number(readFileSync(path, 'utf8'));
}
