import type { LogEntry } from '../../wire/messages.js';

export interface Logged {
  /** Counts all entries that the page has seen, from 0. */
  readonly sequence: number;
  readonly entry: LogEntry;
}

/** Entries that are kept, and changes and answers in them. */
const LIMITS = { entries: 10_000, weight: 100_000 };

/** What happened, in order. When there is too much, the oldest entries are dropped. */
export class Log {
  #count = 0;
  #weight = 0;
  #entries: Logged[] = [];
  readonly #limits: { readonly entries: number; readonly weight: number };

  constructor(limits = LIMITS) {
    this.#limits = limits;
  }

  /** Entries that were ever added. */
  get count(): number {
    return this.#count;
  }

  get dropped(): number {
    return this.#count - this.#entries.length;
  }

  add(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      this.#entries.push({ sequence: this.#count++, entry });
      this.#weight += weightOf(entry);
    }
    let excess = 0;
    while (
      this.#entries.length - excess > 1 &&
      (this.#entries.length - excess > this.#limits.entries || this.#weight > this.#limits.weight)
    ) {
      this.#weight -= weightOf((this.#entries[excess++] as Logged).entry);
    }
    if (excess > 0) {
      this.#entries = this.#entries.slice(excess);
    }
  }

  /** The latest entries before the one of number `before`, latest first: at most `limit` of those that pass, of the last `among`. */
  latest(before: number, limit: number, passes: (entry: LogEntry) => boolean, among = Infinity): readonly Logged[] {
    const result: Logged[] = [];
    const last = Math.min(before - this.dropped, this.#entries.length) - 1;
    for (let index = last; index >= 0 && last - index < among; index--) {
      const logged = this.#entries[index] as Logged;
      if (passes(logged.entry)) {
        result.push(logged);
        if (result.length === limit) {
          break;
        }
      }
    }
    return result;
  }
}

function weightOf(entry: LogEntry): number {
  return entry.kind === 'note' ? 1 : 1 + entry.maps.length + entry.unmaps.length + entry.answers.length;
}

/** Whether something went wrong: a set was undone, a target did not do it, maps were skipped, or the source has an error. */
export function isFailure(entry: LogEntry): boolean {
  return entry.kind === 'note'
    ? entry.severity === 'error'
    : entry.status === 'undone' || entry.answers.some(({ status, skipped = 0 }) => status === 'failed' || skipped > 0);
}
