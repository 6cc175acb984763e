import type { MapChange, MemoryRange } from '../../../streams/index.js';
import type { AttachmentHandle, Ledger } from '../../../streams/internal.js';
import type { WireException, WireTarget } from '../../wire/messages.js';
import { AbsentRuns, type NextStart } from './absent-runs.js';
import { LedgerModel, type ActiveTotals, type HeldKind } from './ledger-model.js';
import { inParts, STEP_LENGTH } from './parts.js';
import { textOf, wireName } from './text.js';
import { exceptionKey, type Unsent } from './unsent.js';
import { pagesOf } from './wire.js';

/** What pages know of one attachment: a target, or several of a branch. */
export class TargetModel {
  readonly key: number;
  readonly handle: AttachmentHandle;
  /** Read once: the target of a user may throw when it is asked again. */
  readonly #name: string;
  readonly #ledgers: readonly LedgerModel[];
  readonly #absent: AbsentRuns;
  /** All but those that are absent. */
  readonly #exceptions = new Map<string, WireException>();
  readonly #unsent: () => Unsent;
  #wire: WireTarget | undefined = undefined;
  #open: object | undefined = undefined;
  #openSince = 0;
  #pendingSince: number | undefined = undefined;
  #stuckSince: number | undefined = undefined;
  /** Number of what is stuck or missing, when it was looked at last. */
  readonly #counts = { stuck: 0, missing: 0 };
  readonly #runChanges = {
    put: (range: MemoryRange): void => {
      const exception: WireException = { kind: 'absent', pages: pagesOf(range) };
      this.#unsent().exceptionsOf(this.key).put(exceptionKey('absent', range.startPage), exception);
    },
    remove: (page: number): void => {
      this.#unsent().exceptionsOf(this.key).remove(exceptionKey('absent', page));
    },
  };

  constructor(key: number, handle: AttachmentHandle, nextStart: NextStart, unsent: () => Unsent) {
    this.key = key;
    this.handle = handle;
    this.#name = nameOf(handle);
    this.#ledgers = handle.ledgers.list.map((ledger) => new LedgerModel(ledger));
    this.#absent = new AbsentRuns(nextStart);
    this.#unsent = unsent;
  }

  get ledgers(): readonly Ledger[] {
    return this.#ledgers.map(({ ledger }) => ledger);
  }

  /** As it was sent last. */
  get wire(): WireTarget | undefined {
    return this.#wire;
  }

  /** In parts. They may change between them: each part is as it is when it is made. */
  *exceptions(): Generator<readonly WireException[]> {
    for (const ranges of this.#absent.ranges()) {
      yield ranges.map((range) => ({ kind: 'absent', pages: pagesOf(range) }));
    }
    yield* inParts(this.#exceptions.values());
  }

  /** Whether something is stuck or missing that has not been looked at. */
  get hasNews(): boolean {
    return this.#ledgers.some((ledger) => ledger.hasNews(this.isAttached));
  }

  /** Whether it should hold what is active: else nothing is missing. */
  get isAttached(): boolean {
    return this.handle.phase === 'attached';
  }

  /**
   * Looks whether an active mapping is held.
   *
   * @param before the active mapping before it, if it is known that nothing is between them
   */
  look(mapping: MapChange, before: MemoryRange | undefined): void {
    let isAbsent = true;
    let wasAbsent = before !== undefined;
    for (const ledger of this.#ledgers) {
      isAbsent = ledger.look(mapping) && isAbsent;
      wasAbsent = wasAbsent && ledger.lacks(before as MemoryRange);
    }
    if (isAbsent) {
      this.#absent.add(mapping.range, wasAbsent ? before : undefined, this.#runChanges);
    } else {
      this.#absent.remove(mapping.range, this.#runChanges);
    }
  }

  /** A mapping is no longer active. */
  forget(range: MemoryRange): void {
    for (const ledger of this.#ledgers) {
      ledger.forget(range);
    }
    this.#absent.remove(range, this.#runChanges);
  }

  /** Takes over what a ledger has now of one kind, in steps. */
  *replaceHeld(index: number, kind: HeldKind, found: Iterable<WireException | undefined>): Generator<void> {
    const ledger = this.#ledgers[index] as LedgerModel;
    const before = ledger.others(kind);
    const now = new Map<number, WireException>();
    let [steps, pages] = [0, 0];
    for (const exception of found) {
      if (exception !== undefined) {
        now.set(exception.pages[0], exception);
        pages += exception.pages[1] - exception.pages[0];
        this.#put(exception);
      }
      if (++steps % STEP_LENGTH === 0) {
        yield;
      }
    }
    ledger.setOthers(kind, now, pages);
    if (kind !== 'extra') {
      this.#counts[kind] = this.#count(kind);
    }
    for (const page of before.keys()) {
      if (!this.#ledgers.some((one) => one.others(kind).has(page))) {
        this.#remove(kind, page);
      }
      if (++steps % STEP_LENGTH === 0) {
        yield;
      }
    }
  }

  /**
   * Looks at what takes no time, and sends what has changed of the target.
   *
   * @param now of the clock of the server
   */
  update(now: number, active: ActiveTotals): void {
    const { open, pending, phase } = this.handle;
    if (open !== this.#open) {
      this.#open = open;
      this.#openSince = now;
      this.#pendingSince = undefined;
    } else if (pending) {
      // It was open at the last look, too: most sets are answered sooner.
      this.#pendingSince ??= this.#openSince;
    }
    const { stuck, missing } = this.#counts;
    this.#stuckSince = stuck === 0 ? undefined : (this.#stuckSince ?? now);
    const held = this.#ledgers.reduce((sum, ledger) => sum + ledger.held(active), 0);
    const heldPages = this.#ledgers.reduce((sum, ledger) => sum + ledger.heldPages(active), 0);
    const wire: WireTarget = {
      ...{ key: this.key, name: this.#name, phase, held, heldPages, stuck, missing },
      ...(this.#pendingSince === undefined ? {} : { pendingSince: this.#pendingSince }),
      ...(this.#stuckSince === undefined ? {} : { stuckSince: this.#stuckSince }),
    };
    if (this.#wire === undefined || !isSame(this.#wire, wire)) {
      this.#wire = wire;
      this.#unsent().targets.put(this.key, wire);
    }
  }

  /** What is missing at several targets counts once, as in `Attachment.missing()`; what is stuck, as often as it is. */
  #count(kind: 'stuck' | 'missing'): number {
    const lists = this.#ledgers.map((ledger) => ledger.others(kind));
    return kind === 'missing' && lists.length > 1
      ? new Set(lists.flatMap((list) => [...list.keys()])).size
      : lists.reduce((sum, { size }) => sum + size, 0);
  }

  #put(exception: WireException): void {
    const key = exceptionKey(exception.kind, exception.pages[0]);
    const before = this.#exceptions.get(key);
    if (before?.pages[1] !== exception.pages[1] || before.region !== exception.region) {
      this.#exceptions.set(key, exception);
      this.#unsent().exceptionsOf(this.key).put(key, exception);
    }
  }

  #remove(kind: HeldKind, page: number): void {
    const key = exceptionKey(kind, page);
    if (this.#exceptions.delete(key)) {
      this.#unsent().exceptionsOf(this.key).remove(key);
    }
  }
}

/** The name of the target of an attachment, as it is sent. */
export function nameOf(attachment: { readonly target: string }): string {
  return wireName(textOf(() => attachment.target, '(a name that cannot be read)'));
}

function isSame(one: WireTarget, other: WireTarget): boolean {
  const keys = Object.keys({ ...one, ...other }) as (keyof WireTarget)[];
  return keys.every((key) => one[key] === other[key]);
}
