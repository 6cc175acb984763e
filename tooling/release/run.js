import { spawnSync } from 'node:child_process';

/** Runs a command, and returns what it writes. @throws Error with what it said, if it fails */
export function run(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) {
    const said = error?.message ?? (stderr.trim() || stdout.trim() || `it ended with ${status}`);
    throw new Error(`${[command, ...args].join(' ')} failed: ${said}`);
  }
  return stdout.trim();
}

/** Runs a command whose output the maintainer sees, and returns whether it ended with 0. */
export function show(command, ...args) {
  console.log(`\n$ ${[command, ...args].join(' ')}`);
  return spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}
