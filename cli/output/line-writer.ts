import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { fold } from './fold.js';

/** The buffer size in characters. One write per line would take longer than the replay of a long trace. */
const CHUNK_LENGTH = 1 << 16;

/** Writes lines to a stream in large chunks, and can wait for a slow reader. */
export class LineWriter {
  readonly #stream: Writable;
  #pending: string[] = [];
  #pendingLength = 0;
  readonly #live: boolean;
  readonly #limit: number;
  #full = false;

  /**
   * `live`: each call of {@link LineWriter.ready} flushes the buffer. `limit`: lines wider than this number of columns are
   * folded; without it none are.
   */
  constructor(stream: Writable, options: { readonly live: boolean; readonly limit?: number }) {
    this.#stream = stream;
    this.#live = options.live;
    this.#limit = options.limit ?? Infinity;
  }

  writeLine(line: string): void {
    for (const part of fold(line, this.#limit)) {
      this.#pending.push(part, '\n');
      this.#pendingLength += part.length + 1;
    }
    if (this.#pendingLength >= CHUNK_LENGTH) {
      this.flush();
    }
  }

  /** Writes the buffer to the stream without waiting. */
  flush(): void {
    if (this.#pendingLength > 0) {
      this.#full = !this.#stream.write(this.#pending.join(''));
      this.#pending = [];
      this.#pendingLength = 0;
    }
  }

  /** Resolves when the stream accepts more data. */
  async ready(): Promise<void> {
    if (this.#live) {
      this.flush();
    }
    if (this.#full && this.#stream.writable) {
      await once(this.#stream, 'drain');
    }
    this.#full = false;
  }
}
