import type { ServerResponse } from 'node:http';

/** Most bytes that wait for a client. One that has more to read is dropped: it may connect again, and gets the state as it is then. */
export const WAITING_MAX = 8 * 2 ** 20;

/** Server-sent events to one client. */
export class EventStream {
  readonly #response: ServerResponse;
  #isOpen = true;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.flushHeaders();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Bytes that have been sent and not been taken by the system. */
  get waiting(): number {
    return this.#response.writableLength;
  }

  /**
   * Sends text. Drops the client if too much waits.
   *
   * @param sent called when the system has taken it
   */
  send(text: Buffer, sent?: () => void): void {
    if (!this.#isOpen) {
      return;
    }
    this.#response.write(text, sent);
    if (this.waiting > WAITING_MAX) {
      this.drop();
    }
  }

  /** Ends it, after what has been sent. */
  end(): void {
    this.#isOpen = false;
    this.#response.end();
  }

  /** Ends it now. */
  drop(): void {
    this.#isOpen = false;
    this.#response.destroy();
  }
}

/** A message as an event. JSON has no line breaks, and no lone surrogates. */
export function eventOf(message: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify(message)}\n\n`);
}

/** Keeps connections open, and finds those that are not. */
export const HEARTBEAT = Buffer.from(':\n\n');
