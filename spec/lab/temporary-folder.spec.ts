import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { isRunning } from '../support/running.js';
import { temporaryFolder, temporaryRoot } from '../../lab/temporary-folder.js';

const SPECS = fileURLToPath(new URL('../', import.meta.url));

describe('a temporary folder', function () {
  this.timeout(60_000);

  for (const [how, end] of [
    ['was killed', 'setInterval(() => {}, 1000);'],
    ['called process.exit', 'process.exit(3);'],
    ['had nothing more to do', ''],
  ] as const) {
    it(`is gone, with all that is in it, once its process ${how}`, async () => {
      const source = `
        import { mkdirSync, writeFileSync } from 'node:fs';
        import { temporaryFolder } from ${JSON.stringify(new URL('../../lab/temporary-folder.js', import.meta.url).href)};
        const folder = temporaryFolder('kept-');
        mkdirSync(folder + '/inside');
        writeFileSync(folder + '/inside/file', 'x');
        process.stdout.write(folder, () => { ${end} });`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      const [data] = (await once(child.stdout, 'data')) as [Buffer];
      const root = dirname(data.toString());
      if (how === 'was killed') {
        expect(existsSync(`${data.toString()}/inside/file`)).to.equal(true);
        child.kill('SIGKILL');
      }
      await exited;
      for (let waited = 0; waited < 300 && existsSync(root); waited++) {
        await sleep(100);
      }
      expect(existsSync(root), root).to.equal(false);
    });
  }

  it('is gone once the process that started its process was killed, as mocha leaves its child process behind', async () => {
    const source = `
      import { temporaryFolder } from ${JSON.stringify(new URL('../../lab/temporary-folder.js', import.meta.url).href)};
      console.log(process.pid + ' ' + temporaryFolder('kept-'));
      setTimeout(() => {}, 100_000);`;
    const starter = `
      import { spawn } from 'node:child_process';
      spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(source)}], { stdio: 'inherit' });`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', starter], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(parent, 'close');
    const [data] = (await once(parent.stdout, 'data')) as [Buffer];
    const [child = '', folder = ''] = data.toString().trim().split(' ');
    expect(existsSync(folder), folder).to.equal(true);
    parent.kill('SIGKILL');
    // When the child has ended, too: it holds the pipe.
    await closed;
    for (let waited = 0; waited < 300 && existsSync(dirname(folder)); waited++) {
      await sleep(100);
    }
    expect(existsSync(dirname(folder)), folder).to.equal(false);
    expect(isRunning(Number(child))).to.equal(false);
  });

  it('is inside the one folder of its process, and no other folder of that name is handed out', () => {
    const [first, second] = [temporaryFolder('same-'), temporaryFolder('same-')];
    expect(first).to.not.equal(second);
    expect([dirname(first), dirname(second)]).to.deep.equal([temporaryRoot(), temporaryRoot()]);
    rmSync(first, { recursive: true });
    rmSync(second, { recursive: true });
  });

  it('is made in no other way by any spec, nor by the lab', () => {
    const others = readdirSync(SPECS, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.js') && !name.startsWith('support/temporary-folder.'))
      .filter((name) => /\bmkdtemp|\btmpdir\(/.test(readFileSync(SPECS + name, 'utf8')));
    expect(others).to.deep.equal([]);
  });
});
