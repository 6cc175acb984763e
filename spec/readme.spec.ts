import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dmaStreams, PACKAGE } from './cli/support/command.js';
import { blocksOf, UserProject } from './support/user-project.js';

const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8');

const PROGRAM_OUTPUT = `log: map   0x100000-0x1100000 rw ram, ram+0x0
hello
log: unmap 0x100000-0x1100000
`;

const OVERLAP_OUTPUT = `log: map   0x0-0x1000000 rw ram, ram+0x0
log: unmap 0x0-0x1000000
log: map   0x0-0xa0000 rw ram, ram+0x0
log: map   0xc0000-0x1000000 rw ram, ram+0xc0000
[ '0x0-0xa0000', '0xc0000-0x1000000' ]
log: unmap 0x0-0xa0000
log: unmap 0xc0000-0x1000000
log: map   0x0-0x1000000 rw ram, ram+0x0
log: unmap 0x0-0x1000000
`;

/** What a reader can type: every line of the shell blocks, and every command that stands in a table or in a sentence. */
function commands(): string[] {
  const lines = blocksOf(README, 'sh').flatMap((block) => block.split('\n'));
  const inline = Array.from(README.matchAll(/`((?:npm|npx) [^`\n]+)`/g), ([, command]) => command ?? '');
  return [...lines, ...inline].flatMap((line) => line.split('&&')).map((command) => command.trim());
}

function scriptsNamed(): string[] {
  return commands().flatMap((command) => {
    const [, script] = /^npm (?:run )?([\w:-]+)/.exec(command) ?? [];
    return script === undefined || script === 'ci' ? [] : [script];
  });
}

describe('README', () => {
  it('has a first program that compiles against the package by name, and runs', async function () {
    this.timeout(60_000);
    const [program = ''] = blocksOf(README, 'ts');
    expect(program).to.contain("from 'dma-streams'");
    using project = new UserProject({ 'program.ts': program });
    await project.compile();
    const { stdout, stderr } = await project.run(['out/program.js']);
    expect(stdout, stderr).to.equal(PROGRAM_OUTPUT);
  });

  it('has a program with regions that overlap, which compiles and shows pieces that are joined again', async function () {
    this.timeout(60_000);
    const program = blocksOf(README, 'ts').find((block) => block.includes("overlap: 'any'")) ?? '';
    using project = new UserProject({ 'program.ts': program });
    await project.compile();
    const { stdout, stderr } = await project.run(['out/program.js']);
    expect(stdout, stderr).to.equal(OVERLAP_OUTPUT);
  });

  it('has a program with a target of its own, which compiles and is called', async function () {
    this.timeout(60_000);
    const program = blocksOf(README, 'ts').find((block) => block.includes("name: 'mine'")) ?? '';
    using project = new UserProject({ 'program.ts': program });
    await project.compile();
    const { stdout, stderr } = await project.run(['out/program.js']);
    expect(stdout, stderr).to.equal('map 0x0-0x10000 rw ram\nunmap 0x0-0x10000\n'.repeat(2));
  });

  it('would not pass with a program that does not compile', async function () {
    this.timeout(60_000);
    const [program = ''] = blocksOf(README, 'ts');
    using project = new UserProject({
      'program.ts': program.replace('addMapping({', 'addMapping({ nonsense: 1,'),
    });
    const complaint = await project.compile().catch((error: unknown) => String(error));
    expect(complaint).to.contain('nonsense');
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { readonly scripts: object };
    expect(scriptsNamed()).to.include.members(['start', 'test', 'coverage', 'lint', 'bench']);
    expect(Object.keys(scripts)).to.include.members(scriptsNamed());
  });

  const shown = commands().filter((command) => command.startsWith('npx dma-streams '));

  it('shows the command', () => {
    expect(shown).to.have.length.of.at.least(2);
  });

  for (const command of shown) {
    it(`shows a command that works: ${command}`, async function () {
      this.timeout(60_000);
      const { status, stdout, stderr } = await dmaStreams(command.split(/\s+/).slice(2));
      expect(stderr).to.equal('');
      expect(stdout).not.to.equal('');
      expect(status).to.equal(0);
    });
  }

  it('links only to files that exist', () => {
    const links = Array.from(README.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g), ([, path]) => path ?? '');
    expect(links).to.have.length.of.at.least(4);
    expect(links.filter((path) => !existsSync(join(PACKAGE, path)))).to.deep.equal([]);
  });
});
