import type { Writable } from 'node:stream';

/** A run that fails at every commit of a long trace says so this often, and then that there is more. */
const MOST_COMPLAINTS = 20;

/** Writes messages to standard error under the program's name, a bounded number of them. */
export function complainer(stream: Writable): (message: string) => void {
  let count = 0;
  return (message) => {
    count++;
    if (count <= MOST_COMPLAINTS) {
      stream.write(`dma-streams: ${message}\n`);
    } else if (count === MOST_COMPLAINTS + 1) {
      stream.write('dma-streams: and more of the kind\n');
    }
  };
}
