import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { fold } from './fold.js';

/** So much is gathered before it is written: a call for each of 100,000 lines would take longer than the replay. */
const CHUNK_LENGTH = 1 << 16;

/** Writes lines to a stream in large pieces, and waits for a slow reader when it is asked to. */
export class LineWriter {
  readonly #stream: Writable;
  #pending: string[] = [];
  #pendingLength = 0;
  readonly #live: boolean;
  readonly #limit: number;
  #full = false;

  /**
   * `live`: what was written shows each time that {@link LineWriter.ready} is asked for. `limit`: in columns; wider lines
   * are folded, none when it is left out.
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

  /** Hands on everything now, without waiting. */
  flush(): void {
    if (this.#pendingLength > 0) {
      this.#full = !this.#stream.write(this.#pending.join(''));
      this.#pending = [];
      this.#pendingLength = 0;
    }
  }

  /** Resolves when the stream takes more. */
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
