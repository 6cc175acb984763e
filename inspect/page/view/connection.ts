import type { Message } from '../../wire/messages.js';
import { retryDelay } from '../model/retry.js';

export type ConnectionPhase = 'connecting' | 'connected' | 'disconnected';

/** The stream of messages of the server. Connects again by itself when it ends, ever more slowly. */
export class Connection {
  phase: ConnectionPhase = 'connecting';
  /** Since when there is no connection, in milliseconds since 1970. */
  since = Date.now();
  #source: EventSource | undefined;
  #attempts = 0;
  #timer = 0;
  readonly #url: string;
  readonly #receive: (message: Message) => void;
  readonly #changed: () => void;

  constructor(url: string, receive: (message: Message) => void, changed: () => void) {
    this.#url = url;
    this.#receive = receive;
    this.#changed = changed;
  }

  open(): void {
    this.close();
    const source = new EventSource(this.#url);
    this.#source = source;
    source.onmessage = ({ data }) => {
      if (this.phase !== 'connected') {
        this.phase = 'connected';
        this.#attempts = 0;
      }
      this.#receive(JSON.parse(data as string) as Message);
    };
    source.onerror = () => {
      if (this.#source === source) {
        this.#lost();
      }
    };
  }

  /** Closes it; it does not connect again by itself. */
  close(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }

  #lost(): void {
    this.close();
    if (this.phase === 'connected') {
      this.since = Date.now();
      this.phase = 'disconnected';
    } else if (this.#attempts > 0) {
      this.phase = 'disconnected';
    }
    this.#timer = window.setTimeout(() => {
      this.open();
    }, retryDelay(this.#attempts++));
    this.#changed();
  }
}
