import { stripVTControlCharacters } from 'node:util';

/** A line of mocha's reporter `spec` that says how a spec ended: passed, failed, pending. */
const ENDED = /^\s+(?:✔|\d+\)|-) /gm;

interface Output {
  readonly isTTY?: boolean | undefined;
  write(data: string | Buffer): unknown;
}

/**
 * Passes on what a suite in the guest prints, and says every now and then how far it has come, so that a long silence does not look like a
 * standstill. On a terminal that is one line below the output, written again every second; elsewhere a line of its own every 30 seconds.
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

  /** Passes on what was printed. */
  write(data: Buffer): void {
    this.#erase();
    this.#output.write(data);
    const text = stripVTControlCharacters(data.toString());
    this.#ended += text.match(ENDED)?.length ?? 0;
    this.#isAtLineStart = text.endsWith('\n');
  }

  /** Writes the line now, unless it would stand in the middle of another one. */
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
