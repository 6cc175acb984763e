import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { resultIn } from '../../lab/kernel-suite.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';

describe('the result of a suite in a guest', function () {
  this.timeout(60_000);

  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder('dma-streams-suite-');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function outputOf(suite: string): string {
    const file = join(folder, 'suite.cjs');
    writeFileSync(file, suite);
    return spawnSync(
      process.execPath,
      [resolve('node_modules/mocha/bin/mocha.js'), '--no-config', '--reporter', 'spec', file],
      { encoding: 'utf8' },
    ).stdout;
  }

  it('has the counts, and the titles of the tests and hooks that failed', () => {
    const text = outputOf(`
      it('a', () => {}); it.skip('b', () => {});
      it('c: of no suite', () => { throw new Error('broken:\\n    in two lines:'); });
      describe('suite', () => { describe('within: it', () => { it('d', () => { throw new Error('x'); }); it('e', () => {}); }); });
      describe('hooks', () => { before(() => { throw new TypeError('y'); }); it('f', () => {}); });`);
    expect(resultIn(text)).to.deep.equal({
      passed: 2,
      failed: 3,
      pending: 1,
      titles: ['c: of no suite', 'suite within: it d', 'hooks "before all" hook for "f"'],
    });
  });

  it('of which all passed has no titles', () => {
    expect(resultIn(outputOf(`it('a', () => {});`))).to.deep.equal({ passed: 1, failed: 0, pending: 0, titles: [] });
  });

  it('that was cut short is empty', () => {
    const text = outputOf(`it('a', () => {}); it('b', () => { process.exit(0); });`);
    expect(resultIn(text)).to.deep.equal({ passed: 0, failed: 0, pending: 0, titles: [] });
  });
});
