import type { Writable } from 'node:stream';
import { fold } from './output/fold.js';
import { terminalOf } from './output/terminal.js';
import { printable } from './output/text.js';

/** A run that fails at every commit of a long trace says so this often, and then that there is more. */
const MOST_COMPLAINTS = 20;

/**
 * One line for standard error, under the program's name: no character of the message moves the cursor or begins a line.
 * Where `stream` is a terminal it is folded to its width.
 */
export function complaint(message: string, stream: { readonly columns?: number }): string {
  const { limit } = terminalOf(stream, process.env);
  return `${fold(`dma-streams: ${printable(message)}`, limit).join('\n')}\n`;
}

/** Writes messages to standard error under the program's name, a bounded number of them. */
export function complainer(stream: Writable & { readonly columns?: number }): (message: string) => void {
  let count = 0;
  return (message) => {
    count++;
    if (count <= MOST_COMPLAINTS) {
      stream.write(complaint(message, stream));
    } else if (count === MOST_COMPLAINTS + 1) {
      stream.write(complaint('and more of the kind', stream));
    }
  };
}
