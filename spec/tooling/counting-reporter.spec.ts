import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../../lab/temporary-folder.js';

const MOCHA = resolve('node_modules/mocha/bin/mocha.js');
const REPORTER = resolve('tooling/counting-reporter.js');

describe('the reporter that counts', function () {
  this.timeout(60_000);

  let folder: string;
  let counts: string;
  beforeEach(() => {
    folder = temporaryFolder('dma-streams-reporter-');
    counts = join(folder, 'counts');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function run(
    suite: string,
    env: Record<string, string> = { DMA_STREAMS_TEST_COUNTS: counts },
  ): { status: number | null; text: string } {
    const file = join(folder, 'suite.cjs');
    writeFileSync(file, suite);
    const { status, stdout } = spawnSync(process.execPath, [MOCHA, '--no-config', '--reporter', REPORTER, file], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...env },
    });
    return { status, text: stdout };
  }

  it('adds a line for each run, and shows people what the dot reporter shows', () => {
    const mixed = run(
      `it('a', () => {}); it('b', () => {}); it.skip('c', () => {});
      describe('of a suite', () => { it('d', () => { throw new Error('broken'); }); });`,
    );
    run(`it('a', () => {});`);
    expect(
      readFileSync(counts, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).to.deep.equal([
      { passed: 2, failed: 1, pending: 1, titles: ['of a suite d'] },
      { passed: 1, failed: 0, pending: 0, titles: [] },
    ]);
    expect(mixed.status).to.equal(1);
    expect(mixed.text).to.include('2 passing').and.include('1 failing').and.include('broken');
  });

  it('adds nothing when the run is cut short', () => {
    expect(run(`it('a', () => {}); it('b', () => { process.exit(0); });`).status).to.equal(0);
    expect(existsSync(counts)).to.equal(false);
  });

  it('writes nothing when nobody asks', () => {
    expect(run(`it('a', () => {});`, {}).status).to.equal(0);
    expect(existsSync(counts)).to.equal(false);
  });
});
