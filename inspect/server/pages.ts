import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { clearInterval, setInterval, setTimeout } from 'node:timers';
import type { RegionManager } from '../../streams/index.js';
import type { Message } from '../wire/messages.js';
import { Collector } from './collect/collector.js';
import { Keys } from './collect/keys.js';
import type { Refusal } from './http/allowed-requests.js';
import { EventStream, eventOf, HEARTBEAT } from './http/event-stream.js';
import type { CheckedOptions } from './inspector-options.js';

/** Most streams of events at a time. */
export const PAGES_MAX = 32;
const HEARTBEAT_MS = 15_000;
/** How long the last messages may take, in milliseconds. */
const END_MS = 1_000;
const PROTOCOL = 1;

const READY: Message = { type: 'ready' };
const END: Message = { type: 'end' };

/** The open pages of an inspector: each has a stream of events. While there is none, nothing is subscribed to, and no timer runs. */
export class Pages {
  readonly #manager: RegionManager;
  readonly #options: CheckedOptions;
  readonly #heartbeatMs: number;
  readonly #server = randomUUID();
  readonly #keys = new Keys();
  readonly #streams = new Set<EventStream>();
  /** Those that wait until there is a state to send. */
  #waiting: EventStream[] = [];
  #collector: Collector | undefined = undefined;
  #heartbeat: NodeJS.Timeout | undefined = undefined;
  #isClosed = false;

  /** @param heartbeat in milliseconds */
  constructor(manager: RegionManager, options: CheckedOptions, heartbeat = HEARTBEAT_MS) {
    this.#manager = manager;
    this.#options = options;
    this.#heartbeatMs = heartbeat;
  }

  /** Number of open pages. */
  get count(): number {
    return this.#streams.size;
  }

  /** Begins a stream of events. Its headers have been set. */
  open(response: ServerResponse): Refusal | undefined {
    if (this.#isClosed) {
      return { status: 503, text: 'The inspector is being closed.' };
    }
    if (this.count >= PAGES_MAX) {
      return {
        status: 503,
        text: `${PAGES_MAX} pages are open, the most there may be: close one, and load this one again.`,
      };
    }
    const stream = new EventStream(response);
    this.#streams.add(stream);
    response.on('close', () => {
      this.#remove(stream);
    });
    const { description } = this.#options;
    this.#sendTo(stream, { type: 'start', protocol: PROTOCOL, server: this.#server, description, at: Date.now() });
    this.#waiting.push(stream);
    const collector = this.#collector ?? this.#start();
    if (collector.isReady) {
      this.#sendStates(collector);
    }
    return undefined;
  }

  /** Sends what has changed last, and that there is no more, and ends all streams. */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    await within(END_MS, this.#collector?.finish());
    this.#sendToAll(END);
    await within(END_MS, Promise.all([...this.#streams].map((stream) => stream.end())));
    this.#stop();
  }

  #start(): Collector {
    this.#heartbeat = setInterval(() => {
      this.#sendText(HEARTBEAT);
    }, this.#heartbeatMs);
    const collector: Collector = new Collector(this.#manager, this.#options, this.#keys, {
      send: (message) => {
        this.#sendToAll(message);
      },
      ready: () => {
        this.#sendStates(collector);
      },
    });
    this.#collector = collector;
    return collector;
  }

  #sendStates(collector: Collector): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const stream of waiting) {
      stream.sendAll(stateOf(collector));
    }
  }

  #sendTo(stream: EventStream, message: Message): void {
    stream.send(eventOf(message));
  }

  #sendToAll(message: Message): void {
    this.#sendText(eventOf(message));
  }

  #sendText(text: Buffer): void {
    for (const stream of this.#streams) {
      stream.send(text);
    }
  }

  #remove(stream: EventStream): void {
    this.#streams.delete(stream);
    this.#waiting = this.#waiting.filter((other) => other !== stream);
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

/** The state, for a new page. */
function* stateOf(collector: Collector): Generator<Message> {
  yield* collector.model.parts(() => collector.generation);
  yield READY;
}

/** Waits for something, but not longer than some milliseconds. */
async function within(milliseconds: number, work: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
