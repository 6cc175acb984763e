/** Writes whole lines to an output, each with a prefix, so that the lines of several programs that run side by side are kept apart. */
export class LinePrefix implements Disposable {
  readonly #prefix: string;
  readonly #output: { write(text: string): unknown };
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(prefix: string, output: { write(text: string): unknown }) {
    this.#prefix = prefix;
    this.#output = output;
  }

  write(data: string | Buffer): void {
    const text = typeof data === 'string' ? data : this.#decoder.decode(data, { stream: true });
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (lines.length > 0) {
      this.#output.write(lines.map((line) => `${this.#prefix}${line}\n`).join(''));
    }
  }

  /** Writes what is left of the last line. */
  [Symbol.dispose](): void {
    if (this.#rest !== '') {
      this.#output.write(`${this.#prefix}${this.#rest}\n`);
      this.#rest = '';
    }
  }
}
