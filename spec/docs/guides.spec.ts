import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../lab/paths.js';
import { MAIN } from '../cli/support/command.js';
import { expectOutput, filesOf } from '../support/page-file.js';
import { blocksOf, UserProject } from '../support/user-project.js';

const FOLDER = join(projectRoot, 'docs/guides');

/** The index, and guides with specs of their own: the tests of `testing.md` are run with several runners. */
const OTHER_PAGES: readonly string[] = ['README.md', 'bundlers.md', 'testing.md'];

const GUIDES = readdirSync(FOLDER)
  .filter((page) => page.endsWith('.md') && !OTHER_PAGES.includes(page))
  .map((page) => ({ guide: page.replace('.md', ''), text: textOf(page) }))
  .map(({ guide, text }) => ({ guide, files: filesOf(text), commands: blocksOf(text, 'sh').flatMap(commandsOf) }));

/** Files that need a device. They are compiled only, as their guides say. */
const NOT_RUN: readonly string[] = ['loop.ts', 'real.ts', 'vhost-user.ts'];

function textOf(page: string): string {
  return readFileSync(join(FOLDER, page), 'utf8');
}

/** The commands of this package in a block, except those that serve a page, or need a QEMU. */
function commandsOf(block: string): string[] {
  const lines = block.split('\n').map((line) => line.replace(/\s#.*/, '').trim());
  return lines.filter((line) => line.startsWith('npx dma-streams ') && !/--(?:web|qmp)\b/.test(line));
}

describe('docs/guides', function () {
  this.timeout(120_000);
  let project: UserProject;

  before(async () => {
    const texts = GUIDES.flatMap(({ guide, files }) =>
      files.map(({ name, text }) => [`${guide}/${name}`, text] as const),
    );
    project = new UserProject(Object.fromEntries(texts), ['rxjs', '@opentelemetry']);
    await project.compile();
  });

  after(() => {
    project[Symbol.dispose]();
  });

  it('lists each guide', () => {
    const list = textOf('README.md');
    const guides = readdirSync(FOLDER).filter((page) => page !== 'README.md');
    expect(guides.filter((page) => !list.includes(`](${page})`))).to.deep.equal([]);
  });

  for (const { guide, files, commands } of GUIDES) {
    describe(`${guide}.md`, () => {
      it('has programs', () => {
        expect(files.filter(({ output }) => output !== undefined)).to.have.length.of.at.least(1);
      });

      for (const command of commands) {
        it(`shows a command that works: ${command}`, async () => {
          const { status, stdout, stderr } = await project.run([MAIN, ...command.split(/\s+/).slice(2)]);
          expect(status, stderr).to.equal(0);
          expect(stdout).to.not.equal('');
        });
      }

      for (const file of files) {
        const { name, output } = file;
        if (name.endsWith('.test.ts')) {
          it(`has tests that pass: ${name}`, async () => {
            const args = ['--test', '--test-reporter=tap', `out/${guide}/${name.replace('.ts', '.js')}`];
            const { status, stdout } = await project.run(args, { NODE_TEST_CONTEXT: undefined });
            expect(status, stdout).to.equal(0);
            expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]), stdout).to.be.at.least(1);
          });
        } else if (output !== undefined) {
          it(`says what its program prints: ${name}`, async () => {
            await expectOutput(project, file, { folder: guide });
          });
        } else if (!NOT_RUN.includes(name)) {
          it(`uses its module: ${name}`, () => {
            const path = name.replace('.ts', '.js');
            expect(files.filter(({ text }) => text.includes(path))).to.have.length.of.at.least(1);
          });
        }
      }
    });
  }
});
