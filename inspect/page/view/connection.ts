import type { Message } from '../../wire/messages.js';
import { AFTER_END, retryDelay } from '../model/retry.js';

export type ConnectionPhase = 'connecting' | 'connected' | 'disconnected';

/** The stream of messages of the server. Connects again by itself when it is lost or has ended, ever more slowly until a state has arrived. */
export class Connection {
  phase: ConnectionPhase = 'connecting';
  /** Since when there is no connection, in milliseconds since 1970. */
  since = Date.now();
  /** What the server says when it refuses to serve the stream. */
  refusal: string | undefined;
  #source: EventSource | undefined;
  #attempts = 0;
  /** Of the next attempt; `undefined` if none is planned. */
  #timer: number | undefined;
  #wasReady = false;
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
    source.onmessage = ({ data }) => this.#take(JSON.parse(data as string) as Message);
    source.onerror = () => {
      if (this.#source === source) {
        this.#lost(source.readyState === EventSource.CLOSED);
      }
    };
  }

  /** Connects at once if it waits to do so. */
  wake(): void {
    if (this.#timer !== undefined) {
      this.open();
    }
  }

  /** Closes it; it does not connect again by itself. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#source?.close();
    this.#source = undefined;
  }

  #take(message: Message): void {
    this.phase = 'connected';
    this.refusal = undefined;
    if (message.type === 'ready') {
      this.#attempts = 0;
      this.#wasReady = true;
    }
    this.#receive(message);
    if (message.type === 'end') {
      this.#attempts = AFTER_END;
      this.#lost(false);
    }
  }

  /** @param isRefused whether there was an answer that is no stream, after which the browser gives up */
  #lost(isRefused: boolean): void {
    this.close();
    if (this.#wasReady) {
      this.#wasReady = false;
      this.since = Date.now();
    }
    if (this.phase === 'connected' || this.#attempts > 0) {
      this.phase = 'disconnected';
    }
    this.#timer = window.setTimeout(() => {
      this.open();
    }, retryDelay(this.#attempts++));
    if (isRefused) {
      void this.#askWhy();
    }
    this.#changed();
  }

  /** An `EventSource` does not tell why it was refused. */
  async #askWhy(): Promise<void> {
    const asked = new AbortController();
    try {
      const response = await fetch(this.#url, { signal: asked.signal });
      // By now it may be served: this stream is not needed.
      const text = response.ok ? undefined : await response.text();
      if (this.phase !== 'connected' && text !== undefined) {
        this.refusal = text.trim();
        this.phase = 'disconnected';
        this.#changed();
      }
    } catch {
      // There is no server any more: `#lost` has said so.
    } finally {
      asked.abort();
    }
  }
}
