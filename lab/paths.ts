import { fileURLToPath } from 'node:url';

/** The checkout: this file runs as dist/lab/paths.js. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));

/** A file of the lab that is not compiled. */
export function labFile(name: string): string {
  return `${projectRoot}lab/${name}`;
}
