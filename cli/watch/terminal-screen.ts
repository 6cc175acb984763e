import { writeSync } from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';

const ESC = '\u001b';

/** The alternate screen, without a cursor, without wrapping. */
const ENTER = `${ESC}[?1049h${ESC}[?25l${ESC}[?7l${ESC}[2J`;
const LEAVE = `${ESC}[0m${ESC}[?7h${ESC}[?25h${ESC}[?1049l`;
/** Terminals that know it show all of what is between the two at once; others ignore it. */
const BEGIN = `${ESC}[?2026h`;
const END = `${ESC}[?2026l`;

/** Signals that end the process before an `exit` event; SIGINT and SIGTERM are those of the command. */
const ENDING_SIGNALS = ['SIGHUP', 'SIGQUIT'] as const;

/** A stream to a terminal: `process.stdout`, where it is one. */
export type Terminal = WriteStream & { readonly fd: number };

/**
 * A terminal that is drawn on as a whole. While it is entered it shows the alternate screen, and hands on each key. `leave` makes it what it was; so
 * does the end of the process, also by an error, SIGHUP or SIGQUIT.
 */
export class TerminalScreen implements Disposable {
  readonly #out: Terminal;
  readonly #keys: ReadStream | undefined;
  #isEntered = false;
  #lines: readonly string[] = [];

  /** @param keys where keys come from; without it there are none */
  constructor(out: Terminal, keys: ReadStream | undefined) {
    this.#out = out;
    this.#keys = keys;
  }

  get isEntered(): boolean {
    return this.#isEntered;
  }

  /** In columns and rows. */
  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = this.#out;
    // A terminal that does not know its size says 0.
    return { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 };
  }

  enter(): void {
    if (this.#isEntered) {
      return;
    }
    this.#isEntered = true;
    // Of an error that nobody catches, too: before it is printed.
    process.on('exit', this.#restore);
    for (const signal of ENDING_SIGNALS) {
      process.on(signal, this.#endBy);
    }
    this.#keys?.setRawMode(true);
    this.#keys?.resume();
    this.#lines = [];
    this.#out.write(ENTER);
  }

  leave(): void {
    process.off('exit', this.#restore);
    for (const signal of ENDING_SIGNALS) {
      process.off(signal, this.#endBy);
    }
    this.#restore();
    this.#keys?.pause();
  }

  /** Draws everything again with the next `draw`. */
  clear(): void {
    this.#lines = [];
    if (this.#isEntered) {
      this.#out.write(`${ESC}[0m${ESC}[2J`);
    }
  }

  /** Draws the lines that differ from those before, from the top. Does nothing unless it is entered. */
  draw(lines: readonly string[]): void {
    const changes: string[] = [];
    for (let row = 0; row < Math.max(lines.length, this.#lines.length); row++) {
      const line = lines[row] ?? '';
      if (line !== (this.#lines[row] ?? '')) {
        changes.push(`${ESC}[${row + 1};1H${ESC}[2K${line}${ESC}[0m`);
      }
    }
    if (this.#isEntered && changes.length > 0) {
      this.#lines = lines;
      this.#out.write(`${BEGIN}${changes.join('')}${END}`);
    }
  }

  [Symbol.dispose](): void {
    this.leave();
  }

  /** Without a listener the signal ends the process. */
  readonly #endBy = (signal: NodeJS.Signals): void => {
    this.leave();
    process.kill(process.pid, signal);
  };

  readonly #restore = (): void => {
    if (!this.#isEntered) {
      return;
    }
    this.#isEntered = false;
    try {
      this.#keys?.setRawMode(false);
      writeSync(this.#out.fd, LEAVE);
    } catch {
      // The terminal is gone.
    }
  };
}
