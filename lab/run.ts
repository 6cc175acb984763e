import { spawnSync } from 'node:child_process';

/** In bytes. A build says much before it fails. */
const MOST_OUTPUT = 64 << 20;

/**
 * Runs a command, and waits for its end.
 *
 * @param options its folder, and its whole environment; by default those of this process
 * @returns what it wrote to its standard output
 * @throws Error with what it said, if it fails or is not there
 */
export function run(
  command: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): string {
  const [program = '', ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: MOST_OUTPUT,
    ...options,
  });
  if (status !== 0) {
    throw new Error(`${command.join(' ')} failed: ${error?.message ?? (stderr === '' ? stdout : stderr)}`);
  }
  return stdout;
}
