import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dmaStreams, PACKAGE } from './cli/support/command.js';
import { temporaryFolder } from '../lab/temporary-folder.js';

const run = promisify(execFile);

const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8');

const PROGRAM_OUTPUT = `log: map   0x100000-0x1100000 rw ram, ram+0x0
hello
log: unmap 0x100000-0x1100000
`;

/** The fenced blocks of that language, in order. */
function blocks(language: string): string[] {
  return Array.from(README.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')), ([, text]) => text ?? '');
}

/** What a reader can type: every line of the shell blocks, and every command that stands in a table or in a sentence. */
function commands(): string[] {
  const lines = blocks('sh').flatMap((block) => block.split('\n'));
  const inline = Array.from(README.matchAll(/`((?:npm|npx) [^`\n]+)`/g), ([, command]) => command ?? '');
  return [...lines, ...inline].flatMap((line) => line.split('&&')).map((command) => command.trim());
}

function scriptsNamed(): string[] {
  return commands().flatMap((command) => {
    const [, script] = /^npm (?:run )?([\w:-]+)/.exec(command) ?? [];
    return script === undefined || script === 'ci' ? [] : [script];
  });
}

/** A project of a user, in which the package is installed under its name. */
class UserProject implements Disposable {
  readonly directory = temporaryFolder('dma-streams-spec-');

  constructor(program: string) {
    mkdirSync(join(this.directory, 'node_modules'));
    symlinkSync(PACKAGE, join(this.directory, 'node_modules/dma-streams'));
    this.#writeJson('package.json', { type: 'module' });
    this.#writeJson('tsconfig.json', {
      extends: join(PACKAGE, 'tsconfig.json'),
      compilerOptions: {
        rootDir: '.',
        outDir: 'out',
        types: ['node'],
        typeRoots: [join(PACKAGE, 'node_modules/@types')],
      },
      include: ['program.ts'],
    });
    writeFileSync(join(this.directory, 'program.ts'), program);
  }

  /** @throws with what the compiler says about the program */
  async compile(): Promise<void> {
    const compiler = join(PACKAGE, 'node_modules/typescript/bin/tsc');
    await run(process.execPath, [compiler, '-p', this.directory]).catch((error: unknown) => {
      throw new Error(`the program does not compile:\n${(error as { readonly stdout: string }).stdout}`);
    });
  }

  async run(): Promise<string> {
    const { stdout } = await run(process.execPath, [join(this.directory, 'out/program.js')]);
    return stdout;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #writeJson(file: string, content: object): void {
    writeFileSync(join(this.directory, file), JSON.stringify(content));
  }
}

describe('README', () => {
  it('has a first program that compiles against the package by name, and runs', async function () {
    this.timeout(60_000);
    const [program = ''] = blocks('ts');
    expect(program).to.contain("from 'dma-streams'");
    using project = new UserProject(program);
    await project.compile();
    expect(await project.run()).to.equal(PROGRAM_OUTPUT);
  });

  it('would not pass with a program that does not compile', async function () {
    this.timeout(60_000);
    const [program = ''] = blocks('ts');
    using project = new UserProject(program.replace('addMapping({', 'addMapping({ nonsense: 1,'));
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
