import type { ServerResponse } from 'node:http';
import type { RegionManager } from '../../streams/index.js';
import type { Message } from '../wire/messages.js';
import type { Refusal } from './allowed-requests.js';
import { Collector } from './collector.js';
import { EventStream, eventOf, HEARTBEAT } from './event-stream.js';
import type { CheckedOptions } from './inspector-options.js';

/** Most streams of events at a time. */
export const PAGES_MAX = 32;
const HEARTBEAT_MS = 15_000;
const PROTOCOL = 1;

/** The open pages of an inspector. Each change is sent to all of them. */
export class Pages {
  readonly #manager: RegionManager;
  readonly #options: CheckedOptions;
  readonly #server: string;
  readonly #streams = new Set<EventStream>();
  #collector: Collector | undefined = undefined;
  #heartbeat: NodeJS.Timeout | undefined = undefined;
  #isClosed = false;

  constructor(manager: RegionManager, options: CheckedOptions, server: string) {
    this.#manager = manager;
    this.#options = options;
    this.#server = server;
  }

  open(response: ServerResponse): Refusal | undefined {
    if (this.#isClosed || this.#streams.size >= PAGES_MAX) {
      return {
        status: 503,
        text: `${PAGES_MAX} pages are open, and there may not be more: close one, and load this one again.`,
      };
    }
    const stream = new EventStream(response);
    response.on('close', () => {
      this.#remove(stream);
    });
    stream.send(
      eventOf({
        type: 'start',
        protocol: PROTOCOL,
        server: this.#server,
        description: this.#options.description,
        at: Date.now(),
      } satisfies Message),
    );
    this.#collector ??= new Collector(this.#manager, this.#options, (message) => {
      this.#sendToAll(eventOf(message));
    });
    this.#heartbeat ??= setInterval(() => {
      this.#sendToAll(HEARTBEAT);
    }, HEARTBEAT_MS).unref();
    for (const message of this.#collector.state()) {
      stream.send(eventOf(message));
    }
    stream.send(eventOf({ type: 'ready' } satisfies Message));
    this.#streams.add(stream);
    return undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#collector?.look();
    this.#sendToAll(eventOf({ type: 'end' } satisfies Message));
    for (const stream of this.#streams) {
      stream.end();
    }
    this.#stop();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  #sendToAll(text: Buffer): void {
    for (const stream of this.#streams) {
      stream.send(text);
    }
  }

  #remove(stream: EventStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size === 0) {
      this.#stop();
    }
  }

  #stop(): void {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#collector?.[Symbol.dispose]();
    this.#collector = undefined;
  }
}
