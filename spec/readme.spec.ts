import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAIN, PACKAGE } from './cli/support/command.js';
import { eventsOf, Serving } from './cli/support/serving.js';
import { expectOutput, filesOf, outputOf, type PageFile } from './support/page-file.js';
import { blocksOf, UserProject } from './support/user-project.js';

const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
const PROGRAMS = filesOf(README);

/** Compiles a program of the README against the package by name, runs it, and compares its output with the comment at its end. */
async function expectProgram(program: PageFile): Promise<void> {
  using project = new UserProject({ [program.name]: program.text });
  await project.compile();
  await expectOutput(project, program);
}

function programWith(part: string): PageFile {
  const program = PROGRAMS.find(({ text }) => text.includes(part));
  return program ?? expect.fail(`the README has no program with ${part}`);
}

/** What a reader can type: every line of the shell blocks, and every command that stands in a table or in a sentence. */
function commands(): string[] {
  const lines = blocksOf(README, 'sh').flatMap((block) => block.split('\n'));
  const inline = Array.from(README.matchAll(/`((?:npm|npx) [^`\n]+)`/g), ([, command]) => command ?? '');
  return [...lines, ...inline]
    .flatMap((line) => line.split('&&'))
    .map((command) => command.replace(/\s#.*/, '').trim());
}

describe('README', () => {
  it('has a first program in JavaScript, in which the VMM reads what a device of the guest wrote', async function () {
    this.timeout(60_000);
    const [text = ''] = blocksOf(README, 'js');
    expect(text).to.contain("from 'dma-streams'").and.contain("// the guest's device wrote: ping, pong\n");
    using project = new UserProject({ 'first.mjs': text }, ['rxjs']);
    const { stdout, stderr } = await project.run(['first.mjs']);
    expect(stdout, stderr).to.equal(outputOf(text));
  });

  it('has a program with regions that overlap, which shows pieces that are joined again', async function () {
    this.timeout(60_000);
    const program = programWith("overlap: 'any'");
    expect(program.text).to.contain("// [ '0x0-0xa0000', '0xc0000-0x1000000' ]\n");
    await expectProgram(program);
  });

  it('has a program with a target of its own, which is called', async function () {
    this.timeout(60_000);
    const program = programWith("name: 'mine'");
    expect(program.text).to.contain('// map 0x0-0x10000 rw ram\n');
    await expectProgram(program);
  });

  it('has a program with operators, which tries a map again and leaves one out', async function () {
    this.timeout(60_000);
    const program = programWith('retryMaps(');
    expect(program.text).to.contain('// map 0x0-0x80000\n// map 0x0-0x80000\n');
    await expectProgram(program);
  });

  it('has no other programs', () => {
    expect(PROGRAMS).to.have.length(3);
  });

  it('would not pass with a program that does not compile', async function () {
    this.timeout(60_000);
    const { text } = programWith("overlap: 'any'");
    using project = new UserProject({ 'program.ts': text.replace('addRam({', 'addRam({ nonsense: 1,') });
    const complaint = await project.compile().catch((error: unknown) => String(error));
    expect(complaint).to.contain('nonsense');
  });

  it('names no script of the repository, which an installed package cannot run', () => {
    const installing = commands().filter((command) => command.startsWith('npm '));
    expect(installing[0]).to.equal('npm install dma-streams rxjs');
    expect(installing.filter((command) => !/^npm (?:install|explore dma-streams) /.test(command))).to.deep.equal([]);
  });

  // What needs a running QEMU is run by readme-qemu.spec.ts.
  const withQemu = blocksOf(README, 'sh').find((block) => block.includes('--qmp')) ?? '';
  const all = commands().filter((command) => command.startsWith('npx dma-streams ') && !withQemu.includes(command));
  const shown = all.filter((command) => !command.includes('--web'));

  it('shows the command', () => {
    expect(shown).to.have.length.of.at.least(2);
  });

  for (const command of shown) {
    it(`shows a command that works: ${command}`, async function () {
      this.timeout(60_000);
      using project = new UserProject({}, ['rxjs']);
      const { status, stdout, stderr } = await project.run([MAIN, ...command.split(/\s+/).slice(2)]);
      expect(stderr).to.equal('');
      expect(stdout).not.to.equal('');
      expect(status).to.equal(0);
    });
  }

  it('shows a command that serves a page', async function () {
    this.timeout(60_000);
    const [command = ''] = all.filter((one) => one.includes('--web'));
    await using serving = new Serving(...command.split(/\s+/).slice(2));
    expect(await eventsOf(await serving.url(), 'pc.bios')).to.contain('q35-boot.jsonl');
  });
});
