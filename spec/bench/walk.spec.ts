import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../lab/paths.js';

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a compiled program of the project. It collects coverage itself, so the run's own coverage stays off in it. A CI would colour it. */
function run(program: string, ...args: readonly string[]): Ended {
  return spawnSync(process.execPath, [join(projectRoot, 'dist', program), ...args], {
    encoding: 'utf8',
    env: { ...process.env, NODE_V8_COVERAGE: '', NO_COLOR: '1' },
  });
}

function walk(...args: readonly string[]): Ended {
  return run('bench/walk.js', ...args);
}

/** A file of the output. */
interface Row {
  readonly path: string;
  readonly count: number;
  readonly functions: readonly string[];
}

function rowsOf(stdout: string): Row[] {
  const rows = stdout.matchAll(/^ *\d+ {2}(\S+\.ts) +(\d+)\n((?: {4}\S.*\n)+)/gm);
  return [...rows].map(([, path = '', count, names = '']) => ({
    path,
    count: Number(count),
    functions: names.trim().split(/,\s+/),
  }));
}

function totalsOf(stdout: string): { readonly files: number; readonly functions: number } {
  const [, files, functions] = /^(\d+) files.*, (\d+) functions$/m.exec(stdout) ?? [];
  return { files: Number(files), functions: Number(functions) };
}

describe('npm run walk', function () {
  // Sets a breakpoint at each place of `streams/`, on a busy machine.
  this.timeout(120_000);
  let single: Ended;

  before(() => {
    single = walk();
  });

  for (const args of [[], ['add', '--set', '8'], ['remove'], ['remove', '--set', '8']]) {
    it(`goes through no more files than the limit: ${args.join(' ') || 'add'}`, () => {
      const { status, stdout, stderr } = walk(...args);
      expect(stderr).to.equal('');
      expect(stdout).to.match(/^\d+ files \(at most \d+: met\)/m);
      expect(status).to.equal(0);
    });
  }

  it('fails with one file more than the limit', () => {
    const { files } = totalsOf(single.stdout);
    const { status, stdout } = walk('--at-most', `${files - 1}`);
    expect(stdout).to.contain(`${files} files (at most ${files - 1}: NOT MET)`);
    expect(status).to.equal(1);
    expect(walk('--at-most', `${files}`).status).to.equal(0);
  });

  it('lists the sources from the command to the target and back, with their functions, and adds them up', () => {
    const { stdout } = single;
    const rows = rowsOf(stdout);
    expect(totalsOf(stdout)).to.deep.equal({
      files: rows.length,
      functions: rows.reduce((sum, { count }) => sum + count, 0),
    });
    expect(rows.filter(({ count, functions }) => count !== functions.length)).to.deep.equal([]);
    const paths = rows.map(({ path }) => path);
    expect(paths[0]).to.equal('streams/regions/region-handle.ts');
    expect(rows[0]?.functions[0]).to.equal('addMapping');
    const stops = ['streams/manager/transactions.ts', 'streams/regions/draft.ts', 'streams/target/target-port.ts'];
    expect(paths.filter((path) => stops.includes(path))).to.deep.equal(stops);
    for (const path of paths) {
      expect(() => readFileSync(join(projectRoot, path)), path).not.to.throw();
    }
  });

  it('goes through the files that docs/architecture.md lists, in that order', () => {
    const page = readFileSync(join(projectRoot, 'docs/architecture.md'), 'utf8');
    const [, section = ''] = page.split('### Every file on the way');
    const listed = [...(section.split('\n## ')[0] ?? '').matchAll(/^\d+\. `(\S+)`$/gm)].map(([, path]) => path);
    expect(listed).to.deep.equal(rowsOf(single.stdout).map(({ path }) => path));
  });

  it('walks further with the methods of a kernel target, without a limit', () => {
    const { status, stdout } = walk('--kernel');
    expect(totalsOf(stdout).functions).to.be.above(totalsOf(single.stdout).functions);
    expect(stdout).not.to.contain('at most');
    expect(status).to.equal(0);
  });

  it('stays within 80 columns', () => {
    expect(single.stdout.split('\n').filter((line) => line.length > 80)).to.deep.equal([]);
  });

  for (const args of [['resize'], ['--set', '0'], ['--set', 'all'], ['--set', '1001'], ['--at-most', '1.5']]) {
    it(`refuses ${args.join(' ')}`, () => {
      const { status, stdout, stderr } = walk(...args);
      expect(stderr).to.match(/^error: .*\nsee --help$/m);
      expect(stdout).to.equal('');
      expect(status).to.equal(2);
    });
  }
});

describe('the functions that are entered', function () {
  this.timeout(60_000);

  it('are named in order of entry, with inlined and continued ones, without module bodies and static initializers', () => {
    const { stdout, stderr } = run('spec/bench/walked-program.js');
    expect(stderr).to.equal('');
    expect(JSON.parse(stdout)).to.deep.equal([
      { path: 'spec/bench/walked/outer.ts', functions: ['outer', 'line 5', 'helper', 'small'] },
      { path: 'spec/bench/walked/inner.ts', functions: ['fields', 'get value'] },
      { path: 'spec/bench/walked/and-back.ts', functions: ['continued', 'empty'] },
    ]);
  });
});
