import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { projectRoot } from '../../lab/paths.js';

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url));
const SOURCE = `${projectRoot}spec/package/program.ts`;
const { exports } = JSON.parse(readFileSync(`${projectRoot}package.json`, 'utf8')) as { readonly exports: object };

describe('the program that is run on the installed package', () => {
  it('runs on what is built, and prints what is looked for where it is installed', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [PROGRAM], { encoding: 'utf8' });

    expect(status, stderr).to.equal(0);
    const wanted = Array.from(
      readFileSync(`${projectRoot}.ci/run`, 'utf8').matchAll(/^ {2}grep -q "(.*)" output$/gm),
      ([, text]) => text ?? '',
    );
    expect(wanted).to.have.lengthOf(2);
    for (const text of wanted) {
      expect(stdout).to.contain(text);
    }
  });

  it('imports every entry of the package', () => {
    const source = readFileSync(SOURCE, 'utf8');
    const entries = Object.keys(exports).filter((entry) => !entry.endsWith('.json'));
    expect(entries.filter((entry) => !source.includes(`from 'dma-streams${entry.slice(1)}'`))).to.deep.equal([]);
  });

  it('can be loaded by require, as the oldest Node.js does it that is supported', () => {
    const program = `console.log(typeof require('dma-streams').RegionManager, typeof require('dma-streams/testing').marbleTest)`;
    const options = { encoding: 'utf8', cwd: projectRoot } as const;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=commonjs', '-e', program], options);
    expect(stdout, stderr).to.equal('function function\n');
  });
});
