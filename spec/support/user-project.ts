import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../lab/paths.js';
import { temporaryFolder } from '../../lab/temporary-folder.js';
import type { Ended } from '../cli/support/command.js';

const run = promisify(execFile);

/** A project of a user, in which the package is installed under its name. */
export class UserProject implements Disposable {
  readonly directory = temporaryFolder('dma-streams-spec-');

  /**
   * @param files the text of each source file, by its name, or by its path in the project
   * @param packages what is installed beside the package and is used by its name
   */
  constructor(files: Readonly<Record<string, string>>, packages: readonly string[] = []) {
    this.#install('dma-streams', projectRoot);
    for (const name of packages) {
      this.#install(name, join(projectRoot, 'node_modules', name));
    }
    this.#writeJson('package.json', { type: 'module' });
    this.#writeJson('tsconfig.json', {
      extends: join(projectRoot, 'tsconfig.json'),
      compilerOptions: {
        rootDir: '.',
        outDir: 'out',
        types: ['node', 'mocha'],
        typeRoots: [join(projectRoot, 'node_modules/@types')],
      },
      include: ['**/*.ts'],
    });
    for (const [name, text] of Object.entries(files)) {
      const path = join(this.directory, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }

  /** @throws with what the compiler says about the files */
  async compile(): Promise<void> {
    const compiler = join(projectRoot, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = await this.run([compiler, '-p', this.directory]);
    if (status !== 0) {
      throw new Error(`the program does not compile:\n${stdout}`);
    }
  }

  /** Runs Node with these arguments in the folder of the project. */
  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const options = { cwd: this.directory, env: { ...process.env, NO_COLOR: '1', ...env }, maxBuffer: 1 << 26 };
    try {
      return { status: 0, ...(await run(process.execPath, args, options)) };
    } catch (error) {
      const { code, stdout, stderr } = error as {
        readonly code: number;
        readonly stdout: string;
        readonly stderr: string;
      };
      return { status: code, stdout, stderr };
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #install(name: string, from: string): void {
    const at = join(this.directory, 'node_modules', name);
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(from, at);
  }

  #writeJson(file: string, content: object): void {
    writeFileSync(join(this.directory, file), JSON.stringify(content));
  }
}

/** The fenced blocks of a language in a page of Markdown, in order. */
export function blocksOf(page: string, language: string): string[] {
  return Array.from(page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')), ([, text]) => text ?? '');
}
