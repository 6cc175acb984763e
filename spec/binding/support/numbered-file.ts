import { writeSync } from 'node:fs';

/** Of a numbered file, in pages. */
export const LENGTH = 32;

/** A file in whose pages their numbers are. */
export function numbered(fd: number): void {
  for (let page = 0; page < LENGTH; page++) {
    writeSync(fd, Buffer.from([page]), 0, 1, page * 0x1000);
  }
}
