import type { LogEntry } from '../../wire/messages.js';

/** Entries that are kept for pages that come later. */
const FAILURES_KEPT = 100;
const OTHERS_KEPT = 200;
/** In characters of JSON. */
const LATEST_LENGTH_MAX = 2 ** 20;

/** The log: what has not been sent to the open pages, and the last entries for those that come later. */
export class Log {
  #unsent: LogEntry[] = [];
  /** Notes of what goes wrong and sets that failed, apart: others would soon push them out. */
  readonly #failures: LogEntry[] = [];
  readonly #others: LogEntry[] = [];
  #isRead = false;

  /** Whether there is a page to which the entries are sent. */
  get isRead(): boolean {
    return this.#isRead;
  }

  set isRead(isRead: boolean) {
    this.#isRead = isRead;
    this.#unsent = [];
  }

  /** Number of entries that have not been sent. */
  get waiting(): number {
    return this.#unsent.length;
  }

  /** The keys of entries ascend. */
  add(entry: LogEntry): void {
    if (isFailure(entry)) {
      addTo(this.#failures, entry, FAILURES_KEPT);
    } else {
      addTo(this.#others, entry, OTHERS_KEPT);
    }
    if (this.#isRead) {
      this.#unsent.push(entry);
    }
  }

  /** Those that have not been sent: they count as sent from now on. */
  takeUnsent(): readonly LogEntry[] {
    const unsent = this.#unsent;
    this.#unsent = [];
    return unsent;
  }

  /** The last entries, in order, also those that have not been sent: together they are short enough to be sent in one message. */
  latest(): readonly LogEntry[] {
    const kept = [...this.#failures, ...this.#others].sort((one, other) => one.key - other.key);
    let length = 0;
    const first = kept.findLastIndex((entry) => (length += JSON.stringify(entry).length) > LATEST_LENGTH_MAX);
    return kept.slice(first + 1);
  }
}

function addTo(list: LogEntry[], entry: LogEntry, most: number): void {
  list.push(entry);
  if (list.length > most) {
    list.shift();
  }
}

/** Whether an entry says that something went wrong. */
function isFailure(entry: LogEntry): boolean {
  return entry.kind === 'note'
    ? entry.severity !== 'info'
    : entry.status === 'undone' || entry.answers.some(({ status }) => status === 'failed');
}
