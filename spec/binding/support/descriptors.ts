import { readdirSync, readFileSync } from 'node:fs';

/** How many file descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/**
 * The memory areas of a memfd with this name, as lines of /proc/self/maps. The lines of other files, which end with their paths, do not
 * count, whatever the folders are called.
 */
export function memfdAreas(name: string): readonly string[] {
  return areasOf(` /memfd:${name} (deleted)`);
}

/** The memory areas of a file, as lines of /proc/self/maps that end with this path. */
export function areasOf(path: string): readonly string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.endsWith(path));
}
