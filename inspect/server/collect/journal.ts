import { DmaUnmapError, type ChangeSet, type DmaError } from '../../../streams/index.js';
import type { Onlooking } from '../../../streams/internal.js';
import type { LogEntry, NoteEntry, SetEntry, WireError } from '../../wire/messages.js';
import type { MappingChanges } from '../model/model.js';
import { Answers } from './answers.js';
import { SetChanges } from './set-changes.js';

/** Most failed sets, and most notes, that are told of one by one between two ticks. */
const TOLD_MAX = 32;

/** The log: which sets are told of one by one, and which together. */
export class Journal {
  readonly answers = new Answers();
  readonly #onlooking: Onlooking;
  readonly #nextKey: () => number;
  readonly #write: (entry: LogEntry) => void;
  /** All sets up to this generation have been told of. */
  #told: number;
  /** Sets that were seen after others that were not, in order. */
  #waiting: SetEntry[] = [];
  /** How the mappings differ because of the sets that were not seen. */
  #found = new SetChanges();
  /** Sets among those not seen that were told of because they had failed. */
  #toldAlone = 0;
  #failures = 0;
  #notes = 0;

  /** @param write takes the entries, in order */
  constructor(onlooking: Onlooking, nextKey: () => number, write: (entry: LogEntry) => void) {
    this.#onlooking = onlooking;
    this.#nextKey = nextKey;
    this.#write = write;
    this.#told = onlooking.generation;
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
      this.#write(entry);
    }
  }

  /** A set has failed. @param isSeen whether sets that take effect are seen at this time */
  failed(set: ChangeSet, error: DmaError, isSeen: boolean): void {
    const tookEffect = error instanceof DmaUnmapError;
    if (tookEffect && isSeen) {
      return; // It was told of, with the answers.
    }
    if (this.#failures++ < TOLD_MAX) {
      this.#toldAlone += tookEffect ? 1 : 0;
      this.#write(this.#entryOf(set, tookEffect ? 'applied' : 'undone'));
    }
    this.answers.take(set.generation);
  }

  note(severity: NoteEntry['severity'], error: WireError): void {
    if (this.#notes++ < TOLD_MAX) {
      this.#write({ kind: 'note', key: this.#nextKey(), at: Date.now(), severity, error });
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
    const upTo = (this.#waiting[0]?.generation ?? generation + 1) - 1;
    const sets = upTo - this.#told - this.#toldAlone;
    if (sets > 0) {
      this.#write({
        ...{ kind: 'set', key: this.#nextKey(), at: Date.now(), generation: upTo, sets, status: 'applied' },
        ...this.#found.listed(),
        answers: [],
      });
    }
    for (const entry of this.#waiting) {
      this.#write({ ...entry, key: this.#nextKey() });
    }
    this.#waiting = [];
    this.#found = new SetChanges();
    this.#toldAlone = 0;
    this.#told = generation;
  }

  #entryOf(set: ChangeSet, status: SetEntry['status']): SetEntry {
    const changes = new SetChanges();
    for (const mapping of this.#onlooking.removedBy(set)) {
      changes.removed(mapping);
    }
    for (const mapping of set.maps) {
      changes.added(mapping);
    }
    const { generation } = set;
    const answers = this.answers.take(generation);
    return {
      ...{ kind: 'set', key: this.#nextKey(), at: Date.now(), generation, sets: 1, status },
      ...changes.listed(),
      answers,
    };
  }
}
