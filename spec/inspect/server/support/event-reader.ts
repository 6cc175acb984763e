import { get, type IncomingMessage } from 'node:http';
import type { Message } from '../../../../inspect/wire/messages.js';
import { PageCopy } from './page-copy.js';

/** Reads the events of an inspector, as a page does: it keeps a copy. */
export class EventReader implements Disposable {
  readonly copy = new PageCopy();
  readonly messages: Message[] = [];
  /** The text of comments. */
  readonly comments: string[] = [];
  bytes = 0;
  /** Whether the connection has ended. */
  isEnded = false;
  readonly #response: IncomingMessage;
  #waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  private constructor(response: IncomingMessage) {
    this.#response = response;
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      this.bytes += Buffer.byteLength(chunk);
      const parts = `${text}${chunk}`.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        this.#take(part);
      }
      this.#check();
    });
    response.on('error', () => undefined); // `close` follows.
    response.on('close', () => {
      this.isEnded = true;
      this.#check();
    });
  }

  /** @param url of the inspector */
  static async open(url: string): Promise<EventReader> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(new URL('events', url), { agent: false }, resolve).on('error', reject);
    });
    if (response.statusCode !== 200) {
      throw new Error(`the events were refused with ${String(response.statusCode)}`);
    }
    return new EventReader(response);
  }

  /** A reader that has the whole state. */
  static async ready(url: string): Promise<EventReader> {
    const reader = await EventReader.open(url);
    await reader.until(() => reader.copy.isReady);
    return reader;
  }

  /** Waits until something is true, which is looked at whenever something has come. */
  until(isMet: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ isMet, resolve });
      this.#check();
    });
  }

  [Symbol.dispose](): void {
    this.#response.destroy();
  }

  #take(part: string): void {
    if (!part.startsWith('data: ')) {
      this.comments.push(part);
      return;
    }
    const message = JSON.parse(part.slice('data: '.length)) as Message;
    this.messages.push(message);
    this.copy.apply(message);
  }

  #check(): void {
    const met = this.#waiting.filter(({ isMet }) => isMet());
    this.#waiting = this.#waiting.filter((one) => !met.includes(one));
    for (const { resolve } of met) {
      resolve();
    }
  }
}
