import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../../../lab/temporary-folder.js';

/** From `dist/spec/cli` up to the package. */
export const PACKAGE = fileURLToPath(new URL('../../../../', import.meta.url));

export const MAIN = join(PACKAGE, 'dist/cli/main.js');

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  /** The limit of file descriptors. */
  readonly openFiles?: number;
}

/** Runs the command as a user would, in a directory of its own choice, without a terminal. */
export function dmaStreams(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const limit = options.openFiles === undefined ? '' : `ulimit -n ${options.openFiles}; `;
  return new Promise((resolve, reject) => {
    const child = execFile(
      '/bin/sh',
      ['-c', `${limit}exec "$@"`, 'sh', process.execPath, MAIN, ...args],
      { cwd: PACKAGE, env: { ...plainEnvironment(), ...options.env }, maxBuffer: 1 << 28 },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : error.code;
        if (typeof status === 'number') {
          resolve({ status, stdout, stderr });
        } else {
          reject(new Error(`dma-streams was ended by ${error?.signal ?? String(status)}: ${stderr}`));
        }
      },
    );
    child.stdin?.end(options.input);
  });
}

/** Nothing of the person's own terminal shows in the output. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env, LANG: 'C.UTF-8' };
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'COLUMNS', 'LC_ALL', 'LC_CTYPE', 'TERM']) {
    Reflect.deleteProperty(env, name);
  }
  return env;
}

/** A directory that goes when the specs are over. */
export class TemporaryTraces implements Disposable {
  readonly #directory = temporaryFolder('dma-streams-spec-');

  /** Writes a trace; its path. */
  write(name: string, content: string | Uint8Array | readonly object[]): string {
    const path = join(this.#directory, name);
    const isLines = Array.isArray(content);
    writeFileSync(
      path,
      isLines
        ? (content as readonly object[]).map((line) => `${JSON.stringify(line)}\n`).join('')
        : (content as string | Uint8Array),
    );
    return path;
  }

  path(name: string): string {
    return join(this.#directory, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** A line of a trace: 1 MiB of RAM at address 0, but for what is given. */
export function line(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    ms: 0,
    commit: 0,
    op: 'add',
    start: '0x0',
    end: '0x100000',
    name: 'ram0',
    kind: 'ram',
    offset: '0x0',
    ...fields,
  };
}

/** 1 MiB of RAM more in each commit; the times are those of the commits, in milliseconds. */
export function commitsAt(...times: readonly number[]): object[] {
  const address = (index: number): string => `0x${(index * 0x100000).toString(16)}`;
  return times.map((ms, index) =>
    line({ ms, commit: index, start: address(index), end: address(index + 1), name: `ram${index}` }),
  );
}
