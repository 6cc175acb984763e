import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../lab/paths.js';
import type { Ended } from '../cli/support/command.js';
import { filesOf } from '../support/page-file.js';
import { blocksOf, UserProject } from '../support/user-project.js';

const PAGE = readFileSync(join(projectRoot, 'docs/guides/testing.md'), 'utf8');

const FILES = filesOf(PAGE);

/** What the page shows of a marble test that fails, and of a check of the contract. */
const [FAILURE = '', BREACH = ''] = blocksOf(PAGE, 'text');

interface Runner {
  readonly name: string;
  /** What it needs in the place of the import of `node:test`. */
  readonly imports: (line: string) => string;
  readonly args: readonly string[];
  /** The file that it reads, of a module of the page. */
  readonly reads: (module: string) => string;
  /** Passed and failed tests. */
  readonly counts: (stdout: string) => readonly [number, number];
}

const TESTS = FILES.map(({ name }) => name)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => `out/${name.replace('.ts', '.js')}`);

const RUNNERS: readonly Runner[] = [
  {
    name: 'node:test',
    imports: (line) => line,
    // Not the folder, which Node takes for a file from 22 on.
    args: ['--test', '--test-reporter=tap', ...TESTS],
    reads: (module) => `out/${module}.js`,
    counts: (stdout) => [Number(/^# pass (\d+)$/m.exec(stdout)?.[1]), Number(/^# fail (\d+)$/m.exec(stdout)?.[1])],
  },
  {
    name: 'vitest',
    imports: (line) => line.replace('node:test', 'vitest'),
    args: ['node_modules/vitest/vitest.mjs', 'run', '--reporter=json', '--dir', '.', '--exclude', 'out/**'],
    reads: (module) => `${module}.ts`,
    counts: (stdout) => {
      const report = JSON.parse(stdout) as { readonly numPassedTests: number; readonly numFailedTests: number };
      return [report.numPassedTests, report.numFailedTests];
    },
  },
  {
    name: 'mocha',
    imports: () => '',
    args: ['node_modules/mocha/bin/mocha.js', '--no-config', '--reporter=json', 'out/*.test.js'],
    reads: (module) => `out/${module}.js`,
    counts: (stdout) => {
      const { stats } = JSON.parse(stdout) as {
        readonly stats: { readonly passes: number; readonly failures: number };
      };
      return [stats.passes, stats.failures];
    },
  },
];

/** A project with the files of the page, as that runner needs them. */
async function projectFor({ imports }: Runner): Promise<UserProject> {
  const adapt = (text: string): string => text.replace(/^import .* from 'node:test';\n/m, imports);
  const files = Object.fromEntries(FILES.map(({ name, text }) => [name, adapt(text)]));
  const project = new UserProject(files, ['rxjs', 'vitest', 'mocha']);
  await project.compile();
  return project;
}

/** What a runner printed, apart from the quotes and the indentation that it adds. */
function expectPrinted(stdout: string, text: string): void {
  expect(text).to.not.equal('');
  const printed = stdout.replaceAll('\\n', '\n').replaceAll("''", "'").replaceAll('\\"', '"').replace(/^ +/gm, '');
  expect(printed).to.contain(text.replace(/^ +/gm, ''));
}

describe('docs/guides/testing.md', function () {
  this.timeout(120_000);

  it('names the file of each example', () => {
    expect(FILES.filter(({ name }) => name.startsWith('program-'))).to.deep.equal([]);
    expect(FILES.map(({ name }) => name)).to.include.members(['slot-target.ts', 'slot-target.test.ts']);
  });

  it('has a marble test of at most ten lines', () => {
    const { text = '' } = FILES.find(({ name }) => name === 'slot-target.test.ts') ?? {};
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('//'));
    expect(lines).to.have.length.of.at.most(10);
  });

  for (const runner of RUNNERS) {
    describe(`with ${runner.name}`, () => {
      let project: UserProject;

      before(async () => {
        project = await projectFor(runner);
      });

      after(() => {
        project[Symbol.dispose]();
      });

      /** Runs the tests. Inside of a run of `node:test`, Node would report to that one only. */
      function runTests(): Promise<Ended> {
        return project.run(runner.args, { NODE_TEST_CONTEXT: undefined });
      }

      /** The same, after a change of a file that the runner reads, which is undone. */
      async function runTestsWith(file: string, from: string, to: string): Promise<Ended> {
        const path = join(project.directory, runner.reads(file));
        const text = readFileSync(path, 'utf8');
        expect(text).to.contain(from);
        writeFileSync(path, text.replace(from, to));
        try {
          return await runTests();
        } finally {
          writeFileSync(path, text);
        }
      }

      it('has examples that compile and pass', async () => {
        const { status, stdout, stderr } = await runTests();
        expect(status, stdout + stderr).to.equal(0);
        const [passed, failed] = runner.counts(stdout);
        expect(failed).to.equal(0);
        expect(passed).to.be.at.least(FILES.length - 1);
      });

      for (const [what, from, to] of [
        ['accepts too many maps', '=== this.#limit', '=== 100'],
        ['unmaps the wrong ranges', '!range.contains(one)', 'range.contains(one)'],
      ] as const) {
        it(`has examples that fail for a target which ${what}`, async () => {
          const { status, stdout } = await runTestsWith('slot-target', from, to);
          expect(status).to.be.at.least(1);
          const [passed, failed] = runner.counts(stdout);
          expect(failed, stdout).to.be.at.least(1);
          expect(passed).to.be.at.least(1);
        });
      }

      it('shows what a marble test prints that fails', async () => {
        const { stdout } = await runTestsWith('slot-target.test', "b: '2 failed ENOSPC'", "b: '2 applied'");
        expect(runner.counts(stdout)[1]).to.equal(1);
        expectPrinted(stdout, FAILURE);
      });

      // The text is that of the check: one runner is enough.
      if (runner.name === 'mocha') {
        it('shows what a check of the contract prints that fails', async () => {
          const { stdout } = await runTestsWith('slot-target', '!range.contains(one)', '!range.equals(one)');
          expectPrinted(stdout, BREACH);
        });
      }
    });
  }
});
