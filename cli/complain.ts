import type { Writable } from 'node:stream';
import { fold } from './output/fold.js';
import { terminalOf } from './output/terminal.js';
import { printable } from './output/text.js';

/** The number of messages that are shown. Further messages are only announced once. */
const MOST_COMPLAINTS = 20;

/**
 * One line for standard error, prefixed with the program's name. Control characters are replaced. On a terminal the line is
 * folded to its width.
 */
export function complaint(message: string, stream: { readonly columns?: number }): string {
  const { limit } = terminalOf(stream, process.env);
  return `${fold(`dma-streams: ${printable(message)}`, limit).join('\n')}\n`;
}

/** Writes messages to standard error, prefixed with the program's name, up to a maximum number. */
export function complainer(stream: Writable & { readonly columns?: number }): (message: string) => void {
  let count = 0;
  return (message) => {
    count++;
    if (count <= MOST_COMPLAINTS) {
      stream.write(complaint(message, stream));
    } else if (count === MOST_COMPLAINTS + 1) {
      stream.write(complaint('further messages are not shown', stream));
    }
  };
}
