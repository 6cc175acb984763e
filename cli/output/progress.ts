import { clearLine, cursorTo } from 'node:readline';
import progress from 'cli-progress';
import { terminalOf } from './terminal.js';

/** Shows the progress of a long replay. */
export interface Progress {
  /** Clears the bar until it is drawn again, so that a line can be written. */
  clear(): void;
  advance(done: number): void;
  stop(): void;
}

/** `DECSC` of VT100. */
const SAVE_CURSOR = '\u001b7';

/** In columns. */
const WIDEST_BAR = 30;

/** A progress bar on standard error, if that is a terminal. */
export function progressBar(total: number, stream: NodeJS.WriteStream): Progress {
  if (!stream.isTTY) {
    return NO_PROGRESS;
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
      // The bar shares the terminal with the lines of the replay and is redrawn below them.
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
      // Stopping restores the saved cursor position: save the current one, so that the cursor does not jump above the lines.
      stream.write(SAVE_CURSOR);
      bar.stop();
    },
  };
}

export const NO_PROGRESS: Progress = { clear: () => undefined, advance: () => undefined, stop: () => undefined };
