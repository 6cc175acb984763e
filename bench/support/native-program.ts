import { execFileSync, spawn, spawnSync, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The checkout: this file runs as dist/bench/support/native-program.js. */
export const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));

const SOURCES = join(projectRoot, 'bench/native');
const BUILT = join(projectRoot, 'build/bench');
const COMPILER = process.env['CXX'] ?? 'g++';
const HEADERS = join(projectRoot, 'binding/src');

/**
 * Builds `bench/native/NAME.cc`, where that or a header beside it is newer than what is built: with the compiler and the optimisation that the
 * addon is built with. Returns the path of the program.
 *
 * @throws Error that says what to do when there is no compiler, or what the compiler said
 */
export function buildNative(
  name: string,
  options: {
    readonly folder?: string;
    readonly compiler?: string;
    /** Further options of the compiler. */
    readonly flags?: readonly string[];
    /** Of the name of the program. */
    readonly suffix?: string;
  } = {},
): string {
  const { folder = BUILT, compiler = COMPILER, flags: further = [], suffix = '' } = options;
  const source = join(SOURCES, `${name}.cc`);
  const program = join(folder, `${name}${suffix}`);
  const age = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const headers = readdirSync(SOURCES).filter((file) => file.endsWith('.h'));
  if ([source, ...headers.map((file) => join(SOURCES, file))].every((file) => age > statSync(file).mtimeMs)) {
    return program;
  }
  mkdirSync(folder, { recursive: true });
  const flags = ['-std=c++20', '-O3', '-Wall', '-Wextra', `-I${HEADERS}`, ...further, '-o', program, source];
  const { error, status, stderr } = spawnSync(compiler, flags, { encoding: 'utf8' });
  if (error !== undefined) {
    throw new Error(
      `the C++ loops are not measured: ${compiler} cannot be run (${error.message}); Debian and Ubuntu have it as apt install g++`,
    );
  }
  if (status !== 0) {
    throw new Error(`the C++ loops are not measured: ${compiler} does not compile ${source}:\n${stderr}`);
  }
  return program;
}

/** What the compiler calls itself, for the record. */
export function compilerVersion(): string | undefined {
  try {
    return execFileSync(COMPILER, ['--version'], { encoding: 'utf8' }).split('\n')[0];
  } catch {
    return undefined;
  }
}

/** A program that answers every line with a line: numbers, or `error` and what went wrong. */
export class NativeProgram {
  readonly #child;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  /** @param inherited descriptors that the program has as 3, 4, … */
  constructor(path: string, args: readonly string[] = [], inherited: readonly number[] = []) {
    const stdio: StdioOptions = ['pipe', 'pipe', 'inherit', ...inherited];
    this.#child = spawn(path, args, { stdio });
    const { stdout } = this.#child;
    if (stdout === null) {
      throw new Error(`${path} has no output`);
    }
    // It has ended: what it said before, or that it said nothing, is the answer.
    this.#child.stdin?.on('error', () => undefined);
    this.#reader = createInterface({ input: stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async ask(line: string): Promise<readonly number[]> {
    this.#child.stdin?.write(`${line}\n`);
    const next = await this.#lines.next();
    const answer = next.done === true ? 'error: it has ended' : next.value;
    if (answer.startsWith('error')) {
      throw new Error(`the C++ loop fails at '${line}': ${answer}`);
    }
    return answer.split(' ').map(Number);
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
    this.#reader.close();
  }
}

/** The commit that the working tree is at, if this is one. */
export function commit(): string | undefined {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], {
    cwd: projectRoot,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** Of package.json. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  return version;
}
