import { spawnSync } from 'node:child_process';

/** Where the file system is. */
export const SMALL_TMPFS = '/mnt';

/** Runs a command where {@link SMALL_TMPFS} is a tmpfs of 1 MiB, which nobody else sees. For `runChild`. */
export const THROUGH_SMALL_TMPFS = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  `mount -t tmpfs -o size=1m small ${SMALL_TMPFS} && exec "$0" "$@"`,
] as const;

/** Skips the spec, and says so, where this user may not mount. */
export function skipUnlessMounting(context: Mocha.Context): void {
  const [command, ...args] = [...THROUGH_SMALL_TMPFS, 'true'];
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) {
    console.warn(`      NOT RUN: no tmpfs can be mounted here (root can): ${error?.message ?? stderr.trim()}`);
    context.skip();
  }
}
