import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout: this file runs as dist/lab/paths.js. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));

/** A file of the lab that is not compiled. */
export function labFile(name: string): string {
  return `${projectRoot}lab/${name}`;
}

/** Where what takes long to make or to download is kept: a path in the user's cache. */
export function cacheFolder(...names: readonly string[]): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'dma-streams', ...names);
}
