import type { Writable } from 'node:stream';
import { printable } from './output/text.js';

/** A run that fails at every commit of a long trace says so this often, and then that there is more. */
const MOST_COMPLAINTS = 20;

/** One line for standard error, under the program's name: no character of the message moves the cursor or begins a line. */
export function complaint(message: string): string {
  return `dma-streams: ${printable(message)}\n`;
}

/** Writes messages to standard error under the program's name, a bounded number of them. */
export function complainer(stream: Writable): (message: string) => void {
  let count = 0;
  return (message) => {
    count++;
    if (count <= MOST_COMPLAINTS) {
      stream.write(complaint(message));
    } else if (count === MOST_COMPLAINTS + 1) {
      stream.write('dma-streams: and more of the kind\n');
    }
  };
}
