import { clearLine, cursorTo } from 'node:readline';
import { terminalOf } from './terminal.js';
import { counted, fit, formatDuration } from './text.js';

/** In milliseconds. */
const REDRAWN_EVERY = 1000;

/** The state of a recording. */
export interface RecordProgress {
  /** `false` while QEMU is awaited. */
  readonly isConnected: boolean;
  readonly commits: number;
  /** Of memory, that are there now. */
  readonly sections: number;
  /** In milliseconds. */
  readonly lasted: number;
}

/** A line on a terminal that shows how far a recording is, redrawn every second, and when `draw` is called. */
export class RecordProgressLine implements Disposable {
  readonly #stream: NodeJS.WriteStream;
  readonly #state: () => RecordProgress;
  readonly #timer: NodeJS.Timeout;

  constructor(stream: NodeJS.WriteStream, state: () => RecordProgress) {
    this.#stream = stream;
    this.#state = state;
    this.#timer = setInterval(() => {
      this.draw();
    }, REDRAWN_EVERY);
    this.#timer.unref();
    this.draw();
  }

  draw(): void {
    const { width, colours } = terminalOf(this.#stream, process.env);
    const { commits, sections, lasted, isConnected } = this.#state();
    const doing = isConnected ? 'recording' : 'QEMU has ended, waiting for it:';
    const what = `${doing} ${formatDuration(lasted)}: ${counted(commits, 'commit')}, ${counted(sections, 'section')}`;
    const text = `${what}; Ctrl-C ends it`;
    this.#clear();
    this.#stream.write(colours.dim(text.length < width ? text : fit(what, Math.min(what.length, width - 1))));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #clear(): void {
    cursorTo(this.#stream, 0);
    clearLine(this.#stream, 0);
  }
}
