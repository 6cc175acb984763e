import type { ChangesMessage, LogEntry, Message } from '../../wire/messages.js';
import { History, type Moment } from './history.js';
import { isFailure, Log } from './log.js';
import { applyChanges, NO_STATE, type State } from './state.js';

/** The protocol that this page speaks. */
export const PROTOCOL = 1;

/** The copy that the page keeps of what the server says, with what was before. */
export class Replica {
  readonly history = new History();
  readonly log = new Log();
  /** Of the server. */
  description = '';
  /** Whether the state is whole: `ready` has come since the last `start`. */
  whole = false;
  ended = false;
  /** The protocol of the server, if it is another one. */
  otherProtocol: number | undefined;
  /** What is added to the time here to get the time of the server, in milliseconds. */
  clockOffset = 0;
  /** The latest whole state. While a new copy arrives it is the one before. */
  state: State = NO_STATE;
  #arriving: State = NO_STATE;
  #server = '';
  #lastKey = -1;

  /** Takes a message. `now` is the time here. */
  receive(message: Message, now: number): void {
    switch (message.type) {
      case 'start':
        this.otherProtocol = message.protocol === PROTOCOL ? undefined : message.protocol;
        this.description = message.description;
        this.clockOffset = message.at - now;
        this.whole = false;
        this.ended = false;
        this.#arriving = { ...NO_STATE, at: message.at };
        if (message.server !== this.#server) {
          this.#server = message.server;
          this.#lastKey = -1;
        }
        break;
      case 'changes':
        this.#change(message);
        break;
      case 'ready':
        this.whole = true;
        this.#keep({ mapped: [], unmapped: [], targets: [], sets: 0, failed: false });
        break;
      case 'end':
        this.ended = true;
    }
  }

  #change(message: ChangesMessage): void {
    const before = this.#arriving;
    const entries = this.#newEntries(message.log ?? []);
    this.log.add(entries);
    this.#arriving = applyChanges(before, message);
    if (this.whole) {
      const { mappings = [], mappingsGone = [], exceptions = [] } = message;
      this.#keep({
        mapped: mappings.map(({ pages }) => pages),
        unmapped: rangesOf(before, mappingsGone),
        targets: exceptions.flatMap(({ target, added = [] }) => added.map(({ pages }) => ({ target, pages }))),
        sets: entries.reduce((sum, entry) => sum + (entry.kind === 'set' ? entry.sets : 0), 0),
        failed: entries.some(isFailure),
      });
    }
  }

  /** After a new connection the server says again what it has said. */
  #newEntries(entries: readonly LogEntry[]): readonly LogEntry[] {
    const fresh = entries.filter(({ key }) => key > this.#lastKey);
    this.#lastKey = Math.max(this.#lastKey, ...fresh.slice(-1).map(({ key }) => key));
    return fresh;
  }

  #keep(touched: Omit<Moment, 'state' | 'logged'>): void {
    this.state = this.#arriving;
    this.history.add({ ...touched, state: this.state, logged: this.log.count });
  }
}

function rangesOf({ mappings }: State, starts: readonly number[]): Moment['unmapped'] {
  const ranges: Moment['unmapped'][number][] = [];
  for (const start of starts) {
    const mapping = mappings.get(start);
    if (mapping !== undefined) {
      ranges.push(mapping.pages);
    }
  }
  return ranges;
}
