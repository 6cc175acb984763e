import { DmaUnmapError, type ChangeSet, type DmaError, type Outcome } from '../../../streams/index.js';
import type { AttachmentHandle, Failure, Onlooking } from '../../../streams/internal.js';
import type { NoteEntry, SetEntry, WireError } from '../../wire/messages.js';
import type { MappingChanges } from '../model/model.js';
import { wireError } from '../model/wire.js';
import { Answers } from './answers.js';
import type { Keys } from './keys.js';
import type { Log } from './log.js';
import { SetChanges } from './set-changes.js';

/** Most failed sets, and most notes, that are told of one by one between two ticks while a page is open. */
const TOLD_MAX = 32;

/** What is seen at this time. */
export interface Seen {
  /** Whether sets that take effect are. */
  readonly isOn: boolean;
  /** Whether the outcomes of an attachment are. */
  sees(handle: AttachmentHandle): boolean;
}

const NOTHING_SEEN: Seen = { isOn: false, sees: () => false };

/** Writes the log: which sets are told of one by one, and which together. */
export class Journal {
  readonly #answers: Answers;
  readonly #onlooking: Onlooking;
  readonly #keys: Keys;
  readonly #log: Log;
  #seen = NOTHING_SEEN;
  /** All sets up to this generation have been told of. */
  #told = 0;
  /** Sets that were seen after others that were not, in order. */
  #waiting: SetEntry[] = [];
  /** How the mappings differ because of the sets that were not seen. */
  #found = new SetChanges();
  /** The generations of sets among those not seen that were told of because they had failed. */
  readonly #toldAlone = new Set<number>();
  #failures = 0;
  #notes = 0;

  constructor(onlooking: Onlooking, keys: Keys, log: Log) {
    this.#onlooking = onlooking;
    this.#keys = keys;
    this.#log = log;
    this.#answers = new Answers(keys);
  }

  /** A page is open: from now on all sets are told of. */
  begin(seen: Seen): void {
    this.#seen = seen;
    this.#told = this.#onlooking.generation;
    this.#waiting = [];
    this.#found = new SetChanges();
    this.#toldAlone.clear();
    this.#log.isRead = true;
  }

  /** No page is open: only failures are told of. */
  end(): void {
    this.#seen = NOTHING_SEEN;
    this.#log.isRead = false;
  }

  /** Where differences are noted that a sweep finds. */
  get found(): MappingChanges {
    return this.#found;
  }

  /** A set has taken effect, and was seen. */
  applied(set: ChangeSet): void {
    const entry = this.#entryOf(set, 'applied');
    if (this.#waiting.length > 0 || set.generation !== this.#told + 1) {
      this.#waiting.push(entry);
    } else {
      this.#told = set.generation;
      this.#log.add(entry);
    }
  }

  /** What an attachment has answered. */
  answer(handle: AttachmentHandle, outcome: Outcome): void {
    if (outcome.generation > this.#onlooking.generation) {
      this.#answers.add(handle, outcome);
    } else if (outcome.status === 'failed') {
      // An attach or a detach.
      this.note('error', wireError(outcome.error));
    }
  }

  /** Something has failed; seen or not. */
  fail(failure: Failure): void {
    if (failure.kind === 'set') {
      this.#failed(failure.set, failure.error);
    } else if (!this.#seen.sees(failure.handle)) {
      this.answer(failure.handle, failure.outcome);
    }
  }

  #failed(set: ChangeSet, error: DmaError): void {
    const tookEffect = error instanceof DmaUnmapError;
    if (tookEffect && this.#seen.isOn) {
      return; // It was told of, with the answers.
    }
    if (!this.#log.isRead || this.#failures++ < TOLD_MAX) {
      if (tookEffect && this.#log.isRead) {
        this.#toldAlone.add(set.generation);
      }
      this.#log.add(this.#entryOf(set, tookEffect ? 'applied' : 'undone'));
    }
    this.#answers.take(set.generation);
  }

  note(severity: NoteEntry['severity'], error: WireError): void {
    if (!this.#log.isRead || this.#notes++ < TOLD_MAX) {
      this.#log.add({ kind: 'note', key: this.#keys.next(), at: Date.now(), severity, error });
    }
  }

  /** Tells how many were left out since the last tick. */
  tick(): void {
    const [failures, notes] = [this.#failures - TOLD_MAX, this.#notes - TOLD_MAX];
    this.#failures = 0;
    this.#notes = 0;
    if (failures > 0) {
      this.note('error', { message: `${failures} more change sets have failed, too fast to be shown` });
    }
    if (notes > 0) {
      this.note('warning', { message: `${notes} more messages came too fast to be shown` });
    }
  }

  /**
   * All mappings have been compared: tells of the sets that were not seen.
   *
   * @param isWhole whether all sets since the beginning of the comparison were seen
   */
  settle(isWhole: boolean): void {
    const { generation } = this.#onlooking;
    if (!isWhole) {
      for (const entry of this.#waiting) {
        this.#found.join(entry);
      }
      this.#waiting = [];
    }
    let upTo = (this.#waiting[0]?.generation ?? generation + 1) - 1;
    const sets = upTo - this.#told - this.#toldAlone.size;
    while (this.#toldAlone.has(upTo)) {
      upTo -= 1;
    }
    if (sets > 0) {
      this.#log.add({
        ...{ kind: 'set', key: this.#keys.next(), at: Date.now(), generation: upTo, sets, status: 'applied' },
        ...this.#found.listed(),
        answers: [],
      });
    }
    for (const entry of this.#waiting) {
      this.#log.add({ ...entry, key: this.#keys.next() });
    }
    this.#waiting = [];
    this.#found = new SetChanges();
    this.#toldAlone.clear();
    this.#told = generation;
  }

  #entryOf(set: ChangeSet, status: SetEntry['status']): SetEntry {
    const { generation } = set;
    const answers = this.#answers.take(generation);
    return {
      ...{ kind: 'set', key: this.#keys.next(), at: Date.now(), generation, sets: 1, status },
      ...SetChanges.of(this.#onlooking.removedBy(set), set.maps).listed(),
      answers,
    };
  }
}
