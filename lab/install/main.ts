/**
 * `npm run test:install`: installs the package, as it is packed, where nothing else is: in a small Debian without compiler, Python and
 * repository, on Node.js 20 and 24. Then it runs what the README begins with, and a marble test. Shows every command and what it wrote. Needs
 * root, and the network for what it has not downloaded before. Without the addons of `npm run prebuild`, that of this machine is tried, and the
 * output says so.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureNodePackage } from '../node-package.js';
import { projectRoot } from '../paths.js';
import { prebuildProblems } from '../prebuild/manifest.js';
import { run } from '../run.js';
import { temporaryFolder } from '../temporary-folder.js';
import { EmptyRoot } from './empty-root.js';
import { firstProgram, MARBLE_TEST } from './programs.js';

const NODES = ['20', '24'];
/** Runs on all of them. */
const NPM = 'npm@11';
/** What must not be there. */
const BUILDERS = ['cc', 'gcc', 'g++', 'clang', 'make', 'python3', 'git'];

let passed = 0;
let failed = 0;

/** Runs a command inside, shows what it wrote, and counts it as passed if `isRight` says so. */
function step(root: EmptyRoot, command: string, isRight: (output: string) => boolean = () => true): void {
  const { status, output } = root.run(command, ENVIRONMENT);
  const isGood = status === 0 && isRight(output);
  console.log(`\n$ ${command}\n${output.trimEnd()}`);
  if (isGood) {
    passed++;
  } else {
    failed++;
    console.log(`FAILED: ${status === 0 ? 'this is not what it should write' : `it ended with ${String(status)}`}`);
  }
}

/** From where npm gets packages here. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/opt/node/bin:/usr/bin:/bin',
  npm_config_registry: run(['npm', 'config', 'get', 'registry']).trim(),
  npm_config_update_notifier: 'false',
  npm_config_cache: '/tmp/npm',
  NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt',
};

function tryNode(version: string, tarball: string, npm: string): void {
  using root = new EmptyRoot();
  console.log(`\n=== Node.js ${version}, in ${root.description}`);
  root.copy(ensureNodePackage(version, process.arch === 'arm64' ? 'arm64' : 'x64').node, '/opt/node/bin/node');
  root.copy(npm, '/opt/node/lib/node_modules/npm');
  for (const program of ['npm', 'npx']) {
    // Without a link, which npm's own installation would make.
    writeFileSync(
      root.path(`/opt/node/bin/${program}`),
      `#!/bin/sh\nexec node /opt/node/lib/node_modules/npm/bin/${program}-cli.js "$@"\n`,
      { mode: 0o755 },
    );
  }
  root.copy(tarball, '/root/dma-streams.tgz');
  mkdirSync(root.path('/root/app'));
  writeFileSync(root.path('/root/app/marbles.test.mjs'), MARBLE_TEST);

  step(
    root,
    `node --version && npm --version && ! command -v ${BUILDERS.join(' ')} && echo no compiler, no Python, no Git`,
    (output) => output.endsWith('no compiler, no Python, no Git\n'),
  );
  step(root, 'cd app && npm init --yes > /dev/null && npm install --no-audit --no-fund ../dma-streams.tgz rxjs mocha');
  const { text, output: expected } = firstProgram(
    readFileSync(root.path('/root/app/node_modules/dma-streams/README.md'), 'utf8'),
  );
  writeFileSync(root.path('/root/app/first.mjs'), text);
  step(root, 'cd app && node first.mjs', (output) => output === expected);
  step(root, 'cd app && npx dma-streams replay --demo', (output) => /\bDMA\b/.test(output));
  step(root, 'cd app && npx mocha marbles.test.mjs', (output) => output.includes('1 passing'));
  step(root, 'cd app && node node_modules/dma-streams/dist/examples/compose-targets.js', (output) =>
    output.includes('the VMM reads: hello'),
  );
}

if (process.getuid?.() !== 0) {
  console.error('NOT RUN: npm run test:install needs root, to enter a root of its own: sudo npm run test:install');
  process.exit(1);
}
const problems = prebuildProblems();
const addon =
  problems.length === 0
    ? 'the addon of a release'
    : `NOT the addon of a release, but that which was built on this machine, because ${problems.join('; ')}: npm run prebuild`;
console.log(`This tries ${addon}.`);
const scratch = temporaryFolder('dma-streams-pack-');
try {
  const pack = (...what: readonly string[]): string =>
    join(
      scratch,
      run(['npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', scratch, ...what], {
        cwd: projectRoot,
      }).trim(),
    );
  const tarball = pack();
  run(['tar', '-xzf', pack(NPM), '-C', scratch]);
  for (const version of NODES) {
    tryNode(version, tarball, join(scratch, 'package'));
  }
} catch (error) {
  console.error(`NOT RUN to its end: ${error instanceof Error ? error.message : String(error)}`);
  failed++;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`\nThis tried ${addon}.`);
console.log(`install: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
