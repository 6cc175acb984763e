import { readdirSync, readFileSync } from 'node:fs';

/** How many file descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** The lines of /proc/self/maps that a text occurs in. */
export function mapsWith(text: string): readonly string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(text));
}
