import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { runInGuest, type GuestEnd } from './guest.js';
import { projectRoot } from './paths.js';
import { temporaryFolder } from './temporary-folder.js';

export interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  readonly pending: number;
  /** The titles of the tests that failed. */
  readonly titles: readonly string[];
  readonly end: GuestEnd;
}

/** Runs the specs of spec/kernel in a guest with this kernel, and passes on what they print. */
export async function runKernelSuite(
  kernel: string,
  options: { readonly write: (data: Buffer) => void; readonly timeout?: number },
): Promise<SuiteResult> {
  let text = '';
  const note = (data: Buffer): void => {
    text += data.toString();
    options.write(data);
  };
  // The only file system of the guest with write-back, like a file system on a disk.
  const disk = temporaryFolder('dma-streams-disk-');
  const end = await runInGuest({
    command: ['node', '--expose-gc', 'node_modules/mocha/bin/mocha.js', '--config', '.mocharc.kernel.json'],
    cwd: projectRoot,
    env: {
      PATH: process.env['PATH'],
      HOME: '/root',
      TMPDIR: '/dev/shm',
      LANG: 'C.UTF-8',
      TERM: 'dumb',
      DMA_STREAMS_DISK: disk,
    },
    out: disk,
    // Some specs run programs as the user `nobody`.
    reachable: [join(projectRoot, 'package.json'), process.execPath],
    kernel,
    timeout: options.timeout ?? 2400,
    onStdout: note,
    onStderr: note,
  }).finally(() => {
    rmSync(disk, { recursive: true, force: true });
  });
  return { ...resultIn(stripVTControlCharacters(text)), end };
}

/** What mocha's reporter `spec` says of a run, in its output without colours. Nothing, if the run was cut short. */
export function resultIn(text: string): Omit<SuiteResult, 'end'> {
  const count = (word: string): number => Number(new RegExp(`^\\s*(\\d+) ${word}`, 'm').exec(text)?.[1] ?? 0);
  const [, failures = ''] = text.split(/^\s*\d+ failing$/m);
  // A number, then the title and those of its suites, each on a line of its own, the last with a colon.
  const titles = [...failures.matchAll(/^ {2}\d+\) ((?:.*\n)*?.*):$/gm)].map(([, lines = '']) =>
    lines.replaceAll(/\s*\n\s*/g, ' '),
  );
  return { passed: count('passing'), failed: count('failing'), pending: count('pending'), titles };
}

/** Whether a run succeeded: specs ran, none failed, and mocha and the guest ended normally. */
export function isGood({ passed, failed, end }: SuiteResult): boolean {
  return passed > 0 && failed === 0 && end.kind === 'exited' && end.status === 0;
}
