import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

const CHECK = 'release:check';
const PUBLISHED = { name: 'published', version: '0.1.0' };

describe('npm run release:check', function () {
  this.timeout(60_000);
  const folder = temporaryFolder('dma-streams-spec-');
  let registry: Server;

  /** A registry that has version 0.1.0. */
  before(async () => {
    const answer = {
      name: PUBLISHED.name,
      'dist-tags': { latest: PUBLISHED.version },
      versions: { [PUBLISHED.version]: { ...PUBLISHED, dist: { tarball: 'http://127.0.0.1/none.tgz' } } },
    };
    registry = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    }).listen(0, '127.0.0.1');
    await once(registry, 'listening');
  });

  after(() => {
    registry.closeAllConnections();
    registry.close();
  });

  async function check(version: string, ...args: readonly string[]): Promise<{ status: number; output: string }> {
    const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const manifest = { ...PUBLISHED, version, scripts: { [CHECK]: scripts[CHECK] } };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    const npm = spawn('npm', ['run', CHECK, '--', ...args], {
      cwd: folder,
      env: {
        ...process.env,
        npm_config_registry: `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`,
        npm_config_cache: join(folder, '.cache'),
      },
    });
    const [output, errors, [status]] = await Promise.all([
      text(npm.stdout),
      text(npm.stderr),
      once(npm, 'exit') as Promise<[number]>,
    ]);
    return { status, output: output + errors };
  }

  it('says what npm would publish, also of a version that is published already', async () => {
    const { status, output } = await check('0.1.0');
    expect(status, output).to.equal(0);
    expect(output).to.contain('\n+ published@0.1.0\n');
  });

  it('has npm refuse that version with --no-force, as a release asks for it, and take the next one', async () => {
    const [major = 0] = spawnSync('npm', ['--version'], { encoding: 'utf8' }).stdout.split('.').map(Number);
    const { status, output } = await check('0.1.0', '--no-force');
    // Before npm 11 a dry run did not ask the registry.
    expect(output.includes('cannot publish over the previously published versions'), output).to.equal(major >= 11);
    expect(status === 0).to.equal(major < 11);
    expect(await check('0.2.0', '--no-force')).to.include({ status: 0 });
    expect(await check('0.3.0-rc.1', '--no-force', '--tag', 'next')).to.include({ status: 0 });
  });
});
