import type { ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers';

/**
 * Most bytes that wait for a client. One that has more to read is dropped, never waited for: it may connect again, and gets the state as it is
 * then. 100,000 mappings, of which all change at once, are about as much.
 */
export const WAITING_MAX = 8 * 2 ** 20;

/** The state is sent to a new client while less than this waits for it. */
const STATE_WAITING_MAX = 256 * 1024;

/** How long messages are made in one go, in milliseconds. */
const SLICE_MS = 2;

/** Server-sent events to one client. */
export class EventStream {
  readonly #response: ServerResponse;
  #isOpen = true;
  /** Of `sendAll`: it may end later. */
  #sending: Promise<void> = Promise.resolve();

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on('close', () => {
      this.#isOpen = false;
    });
    response.flushHeaders();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends text, which the streams of several clients may share. Drops the client if too much waits. */
  send(text: Buffer): void {
    if (!this.#isOpen) {
      return;
    }
    this.#response.write(text);
    if (this.#response.writableLength > WAITING_MAX) {
      this.#isOpen = false;
      this.#response.destroy();
    }
  }

  /**
   * Sends messages one after another, as fast as the client reads them. Others may be sent meanwhile.
   *
   * @param messages each is made when it is sent. To be called once
   */
  sendAll(messages: Iterator<object>): void {
    this.#sending = new Promise((resolve) => {
      this.#response.once('close', resolve);
      this.#sendNext(messages, resolve);
    });
  }

  #sendNext(messages: Iterator<object>, done: () => void): void {
    const goOn = (): void => {
      this.#sendNext(messages, done);
    };
    const start = performance.now();
    while (this.#isOpen) {
      if (this.#response.writableLength > STATE_WAITING_MAX) {
        this.#response.once('drain', goOn);
        return;
      }
      if (performance.now() - start > SLICE_MS) {
        setImmediate(goOn);
        return;
      }
      const next = messages.next();
      if (next.done === true) {
        break;
      }
      this.send(eventOf(next.value));
    }
    done();
  }

  /** Ends it after what is being sent, with a last text. Resolves when that has been read, or the connection has ended. */
  async end(last: Buffer): Promise<void> {
    await this.#sending;
    this.send(last);
    this.#isOpen = false;
    await new Promise<void>((resolve) => {
      this.#response.once('close', resolve);
      this.#response.end(resolve);
      if (this.#response.destroyed) {
        resolve();
      }
    });
  }
}

/** A message as an event. Its JSON has no line breaks, and escapes lone surrogates. */
export function eventOf(message: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify(message)}\n\n`);
}

/** A comment, which keeps connections open. */
export const HEARTBEAT = Buffer.from(':\n\n');
