import { stripVTControlCharacters } from 'node:util';

/** A line of mocha's reporter `spec` that says how a spec ended: passed, failed, pending. */
const ENDED = /^\s+(?:✔|\d+\)|-) /gm;

interface Output {
  readonly isTTY?: boolean | undefined;
  write(data: string | Buffer): unknown;
}

/**
 * Forwards the output of a suite in the guest, and reports its progress at intervals, so that a long run without output does not look like
 * a hang. On a terminal this is a status line below the output, updated every second; otherwise a separate line every 30 seconds.
 */
export class SuiteProgress implements Disposable {
  readonly #label: string;
  readonly #output: Output;
  readonly #now: () => number;
  readonly #started: number;
  readonly #timer: NodeJS.Timeout;
  #ended = 0;
  #isAtLineStart = true;
  #isShown = false;

  /** @param now milliseconds, from any origin */
  constructor(label: string, output: Output, now: () => number = () => performance.now()) {
    this.#label = label;
    this.#output = output;
    this.#now = now;
    this.#started = now();
    this.#timer = setInterval(
      () => {
        this.show();
      },
      output.isTTY === true ? 1000 : 30_000,
    );
    this.show();
  }

  /** Forwards output. */
  write(data: Buffer): void {
    this.#erase();
    this.#output.write(data);
    const text = stripVTControlCharacters(data.toString());
    this.#ended += text.match(ENDED)?.length ?? 0;
    this.#isAtLineStart = text.endsWith('\n');
  }

  /** Writes the status line, unless the output is in the middle of a line. */
  show(): void {
    if (!this.#isAtLineStart) {
      return;
    }
    this.#erase();
    const seconds = Math.round((this.#now() - this.#started) / 1000);
    const what = this.#ended === 0 ? 'the guest is starting' : `${this.#ended} specs have ended`;
    const line = `${this.#label}: ${what}, ${seconds} s`;
    this.#isShown = this.#output.isTTY === true;
    this.#output.write(this.#isShown ? line : `${line}\n`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #erase(): void {
    if (this.#isShown) {
      this.#output.write('\r\x1b[2K');
      this.#isShown = false;
    }
  }
}
