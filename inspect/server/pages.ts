import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { clearInterval, setInterval, setTimeout } from 'node:timers';
import type { RegionManager } from '../../streams/index.js';
import { onlookingOf } from '../../streams/internal.js';
import type { Message } from '../wire/messages.js';
import type { Subscription } from 'rxjs';
import { Collector, type CollectorParts } from './collect/collector.js';
import { endGuarded } from './collect/guarded.js';
import { Journal } from './collect/journal.js';
import { Keys } from './collect/keys.js';
import { Log } from './collect/log.js';
import { noteProblems } from './collect/notes.js';
import { Turns } from './collect/turns.js';
import type { Refusal } from './http/allowed-requests.js';
import { EventStream, eventOf, HEARTBEAT } from './http/event-stream.js';
import type { CheckedOptions } from './inspector-options.js';
import { wireName } from './model/text.js';

/** Most streams of events at a time. */
export const PAGES_MAX = 32;
/** In milliseconds: between two comments, and how long the event loop is held in one go. */
const TIMES = { heartbeat: 15_000, slice: 2 };
/** How long the last messages may take, in milliseconds. */
const END_MS = 1_000;
const PROTOCOL = 1;

const READY: Message = { type: 'ready' };
const END: Message = { type: 'end' };

/** The open pages of an inspector: each has a stream of events. While there is none, only what goes wrong is noted, and no timer runs. */
export class Pages {
  readonly #description: string;
  readonly #parts: CollectorParts;
  readonly #problems: Subscription;
  readonly #times: typeof TIMES;
  readonly #server = randomUUID();
  readonly #streams = new Set<EventStream>();
  /** Those that wait until there is a state to send. */
  #waiting: EventStream[] = [];
  #collector: Collector | undefined = undefined;
  #heartbeat: NodeJS.Timeout | undefined = undefined;
  #isClosed = false;

  constructor(manager: RegionManager, options: CheckedOptions, times: Partial<typeof TIMES> = {}) {
    this.#times = { ...TIMES, ...times };
    const onlooking = onlookingOf(manager);
    const [keys, log] = [new Keys(), new Log()];
    const journal = new Journal(onlooking, keys, log);
    const turns = new Turns(onlooking, this.#times.slice);
    this.#parts = { manager, onlooking, keys, log, journal, turns, status$: options.status$ };
    this.#description = wireName(options.description);
    this.#problems = noteProblems(manager, onlooking, options, journal);
  }

  /** Number of open pages. */
  get count(): number {
    return this.#streams.size;
  }

  /** Why a stream of events cannot begin now. */
  get refusal(): Refusal | undefined {
    if (this.#isClosed) {
      return { status: 503, text: 'The inspector is being closed.' };
    }
    if (this.count >= PAGES_MAX) {
      return {
        status: 503,
        text: `${PAGES_MAX} pages are open, the most there may be: close one, and load this one again.`,
      };
    }
    return undefined;
  }

  /** Begins a stream of events, which is not refused. Its headers have been set. */
  open(response: ServerResponse): void {
    this.#collector?.flush(); // What is in the log of a new page is not sent to it again.
    const stream = new EventStream(response);
    this.#streams.add(stream);
    response.on('close', () => {
      this.#remove(stream);
    });
    this.#sendTo(stream, {
      type: 'start',
      protocol: PROTOCOL,
      server: this.#server,
      description: this.#description,
      at: Date.now(),
    });
    this.#waiting.push(stream);
    const collector = this.#collector ?? this.#start();
    if (collector.isReady) {
      this.#sendStates(collector);
    }
  }

  /** Sends what has changed last, and that there is no more, and ends all streams. */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    await within(END_MS, this.#collector?.finish());
    const last = eventOf(END);
    await within(END_MS, Promise.all([...this.#streams].map((stream) => stream.end(last))));
    this.#stop();
    endGuarded(this.#problems, () => undefined);
  }

  #start(): Collector {
    this.#heartbeat = setInterval(() => {
      this.#sendText(HEARTBEAT);
    }, this.#times.heartbeat);
    const collector: Collector = new Collector(this.#parts, {
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
    const log = this.#parts.log.latest();
    const message: Message = { type: 'changes', at: Date.now(), generation: collector.generation, log };
    const text = eventOf(message);
    for (const stream of waiting) {
      if (log.length > 0) {
        stream.send(text); // At once: entries that come now are later ones.
      }
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
