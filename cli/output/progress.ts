import { clearLine, cursorTo } from 'node:readline';
import progress from 'cli-progress';
import { terminalOf } from './terminal.js';

/** Shows how far a long replay has come. */
export interface Progress {
  /** Takes the bar away until it is next drawn, so that a line can be written. */
  clear(): void;
  advance(done: number): void;
  stop(): void;
}

/** `DECSC` of VT100. */
const SAVE_CURSOR = '\u001b7';

/** In columns. */
const WIDEST_BAR = 30;

/** A bar on standard error, when a person looks at it. */
export function progressBar(total: number, stream: NodeJS.WriteStream): Progress {
  if (!stream.isTTY) {
    return NOBODY_LOOKS;
  }
  const bar = new progress.SingleBar(
    {
      format: '{bar} commit {value} of {total}, {duration_formatted}',
      stream,
      barsize: Math.max(
        0,
        Math.min(WIDEST_BAR, terminalOf(stream, process.env).width - 1 - ` commit ${total} of ${total}, 59m59s`.length),
      ),
      clearOnComplete: true,
      // The bar shares the screen with the lines of the replay: it comes back below them.
      forceRedraw: true,
      linewrap: true,
      gracefulExit: false,
    },
    progress.Presets.shades_classic,
  );
  const clear = (): void => {
    cursorTo(stream, 0);
    clearLine(stream, 0);
  };
  bar.start(total, 0);
  return {
    clear,
    advance: (done) => {
      bar.update(done);
    },
    stop: () => {
      clear();
      // Stopping puts the cursor back to where it was saved: without this, to where the bar was before all the lines.
      stream.write(SAVE_CURSOR);
      bar.stop();
    },
  };
}

export const NOBODY_LOOKS: Progress = { clear: () => undefined, advance: () => undefined, stop: () => undefined };
