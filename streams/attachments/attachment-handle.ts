import { Subject, type Observable } from 'rxjs';
import { sortByAddress } from '../ranges/sort-by-address.js';
import { Branch, type HeldAddresses } from '../branches/branch.js';
import { recordAssumed } from './assumed-ledger.js';
import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { ManagedSet, removeEach, unmapOf, type ActiveMappings, forward, inverse } from '../changes/managed-set.js';
import type { Receiver } from '../branches/receiver.js';
import type { AttachmentCommands } from './attachment-commands.js';
import type { Attachment } from './attachment.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import { pauseIfOver } from '../util/time-slice.js';
import { Ledger } from '../target/ledger.js';
import { mappingOf } from '../changes/mapping.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices, joinInSlices, mapInSlices, sortedInSlices } from '../ranges/slices.js';
import { isPromiseLike, run, waitFor, type Coroutine } from '../util/coroutine.js';
import type { TargetPort } from '../target/target-port.js';
import { uniqueByStart, uniqueInSlices } from '../changes/unique.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import type { VaUser } from '../host-addresses/va-errors.js';
import type { Monitor } from '../target/monitor.js';

/** An attachment as its manager holds it. */
export class AttachmentHandle implements Attachment, Receiver {
  /** `leaving`: gets no more maps, but holds something still. */
  phase: 'attached' | 'leaving' | 'gone' = 'attached';
  /** One for each target. */
  readonly ledgers: readonly Ledger[];
  readonly #branch: Branch;
  readonly #commands: AttachmentCommands<AttachmentHandle>;
  readonly #outcomes = new Subject<Outcome>();
  /** Kept here for a branch whose targets have not registered themselves: one that does not end in `toTarget`. */
  readonly #assumedLedger: Ledger | undefined;
  #onIdle: (() => void) | undefined = undefined;
  /** The maps of a set that it was left behind with, by start: some may be made yet. */
  #unanswered: ReadonlyMap<number, MemoryRange> | undefined = undefined;

  /** @throws what the branch function throws */
  constructor(branch: TargetBranch, commands: AttachmentCommands<AttachmentHandle>, warn: (warning: DmaError) => void) {
    this.#branch = new Branch(branch, warn);
    this.#commands = commands;
    this.#assumedLedger = this.#branch.ports.length === 0 ? new Ledger() : undefined;
    this.ledgers = this.#assumedLedger === undefined ? this.ports.map((port) => port.ledger) : [this.#assumedLedger];
  }

  get target(): string {
    return this.#branch.name;
  }

  get ports(): readonly TargetPort[] {
    return this.#branch.ports;
  }

  /** What the VA mappers hold that are part of it. */
  get vas(): readonly HeldAddresses[] {
    return this.#branch.vas;
  }

  get broken(): DmaError | undefined {
    return this.#branch.broken;
  }

  get pending(): boolean {
    return this.#branch.pending;
  }

  get concurrent(): boolean {
    return this.#branch.concurrent;
  }

  get outcomes$(): Observable<Outcome> {
    return this.#outcomes.asObservable();
  }

  ledger(): readonly LedgerEntry[] {
    const entries = this.ledgers.flatMap((ledger) => ledger.entries());
    return this.ledgers.length === 1 ? entries : sortByAddress(entries);
  }

  missing(): readonly MemoryRange[] {
    if (this.phase !== 'attached') {
      return []; // It should hold nothing.
    }
    return uniqueByStart(this.ledgers.flatMap((ledger) => ledger.missing())).map(({ range }) => range);
  }

  retryStuck(): Promise<void> {
    return this.#commands.retryStuck(this);
  }

  verify(): Promise<readonly Finding[]> {
    return this.#commands.verify(this);
  }

  heal(options: HealOptions = {}): Promise<void> {
    return this.#commands.heal(this, options);
  }

  detach(): Promise<void> {
    return this.#commands.detach(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.detach();
  }

  /** Who watches, and may abort, what is served. */
  set monitor(monitor: Monitor | undefined) {
    for (const port of this.ports) {
      port.monitor = monitor;
    }
  }

  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    const outcome = this.#branch.serve(set);
    if (this.#assumedLedger !== undefined) {
      return run(this.#assume(this.#assumedLedger, set, outcome));
    }
    return isPromiseLike(outcome) ? outcome.then((late) => this.#note(late)) : this.#note(outcome);
  }

  *#assume(ledger: Ledger, set: ChangeSet, answer: Outcome | Promise<Outcome>): Coroutine<Outcome> {
    const outcome = yield* waitFor(answer);
    yield* recordAssumed(ledger, set, outcome);
    return this.#note(outcome);
  }

  isStuck(at: TargetRange): boolean {
    return this.#assumedLedger === undefined ? this.#branch.isStuck(at) : this.#assumedLedger.isStuck(at.range);
  }

  /** Whether one of its targets may be using the host address of the mapping at exactly this range, which has left the view. */
  usesVa(range: MemoryRange): boolean {
    return (
      this.#unanswered?.get(range.startPage)?.equals(range) === true ||
      (this.#assumedLedger === undefined
        ? this.ports.some((port) => port.usesVa(range))
        : this.#assumedLedger.at(range) !== undefined)
    );
  }

  /** Those that do, as `usesVa` says. */
  usersOf(range: MemoryRange): readonly VaUser[] {
    if (!this.usesVa(range)) {
      return [];
    }
    const ports = this.ports.filter((port) => port.usesVa(range));
    return ports.length === 0
      ? [{ target: this.target, range, stuck: this.#assumedLedger?.isStuck(range) === true }]
      : ports.map(({ name, ledger }) => ({ target: name, range, stuck: ledger.isStuck(range) }));
  }

  get hasStuck(): boolean {
    for (const ledger of this.ledgers) {
      if (ledger.hasStuck) {
        return true;
      }
    }
    return false;
  }

  /** All that is stuck, or what of it shares a page with `over`, at any of its targets. */
  stuck(over?: MemoryRange): Coroutine<readonly TargetRange[]> {
    return this.#byTarget((ledger) => ledger.stuckEntries(over === undefined ? undefined : [over]));
  }

  /** All that is held, and all that is stuck, ascending for each target. */
  holdings(): Coroutine<readonly TargetRange[]> {
    return this.#byTarget(function* (ledger) {
      const lists = [yield* ledger.heldInSlices(), yield* mapInSlices(yield* ledger.stuckEntries(), mappingOf)];
      return yield* sortedInSlices(yield* joinInSlices(lists));
    });
  }

  *#byTarget(
    among: (ledger: Ledger) => Coroutine<readonly { readonly range: MemoryRange }[]>,
  ): Coroutine<readonly TargetRange[]> {
    const found: TargetRange[] = [];
    for (const [index, ledger] of this.ledgers.entries()) {
      const target = this.ports[index]?.name ?? this.target;
      yield* eachInSlices(yield* among(ledger), ({ range }) => {
        found.push({ target, range });
      });
    }
    return found;
  }

  /** All that its targets should hold and do not, ascending. */
  *missingInSlices(): Coroutine<readonly MemoryRange[]> {
    if (this.phase !== 'attached') {
      return [];
    }
    const missing: (readonly MapChange[])[] = [];
    for (const ledger of this.ledgers) {
      missing.push(yield* ledger.missingInSlices());
    }
    return yield* mapInSlices(yield* uniqueInSlices(missing), ({ range }) => range);
  }

  /** The set that ends all that is held. */
  *unmapAllSet(active: ActiveMappings): Coroutine<ChangeSet> {
    const [ledger] = this.ledgers;
    const held = this.ledgers.length === 1 && ledger !== undefined ? yield* ledger.heldAsActive() : undefined;
    if (held === undefined) {
      return forward(active.generation, yield* this.unmapsOfAll(), []);
    }
    return new ManagedSet(active, active.generation, removeEach(held), []);
  }

  /** Whether nothing is held, and nothing is stuck. */
  *isEmpty(): Coroutine<boolean> {
    for (const ledger of this.ledgers) {
      if (!(yield* ledger.isEmpty())) {
        return false;
      }
    }
    return true;
  }

  /** The unmaps, ascending, that end all that is held. */
  *unmapsOfAll(): Coroutine<ChangeSet['unmaps']> {
    const held: (readonly MapChange[])[] = [];
    for (const ledger of this.ledgers) {
      held.push(yield* ledger.heldInSlices(), yield* mapInSlices(yield* ledger.stuckEntries(), mappingOf));
    }
    return yield* mapInSlices(yield* uniqueInSlices(held), unmapOf);
  }

  /**
   * Tries again to unmap what is stuck, over `ranges` alone when they are given; nothing else that a target holds is touched. Returns the
   * ranges that were tried, and the first failure.
   */
  *unmapStuck(
    generation: number,
    ranges?: readonly MemoryRange[],
  ): Coroutine<{ readonly tried: readonly MemoryRange[]; readonly error: DmaError | undefined }> {
    if (this.#assumedLedger !== undefined) {
      const stuck = yield* mapInSlices(yield* this.#assumedLedger.stuckEntries(ranges), mappingOf);
      const unmaps = yield* mapInSlices(yield* uniqueInSlices([stuck]), unmapOf);
      const { error } = unmaps.length === 0 ? NO_ERROR : yield* waitFor(this.serve(inverse(generation, unmaps, [])));
      return { tried: yield* mapInSlices(unmaps, ({ range }) => range), error };
    }
    const tried: MemoryRange[] = [];
    let error: DmaError | undefined;
    for (const port of this.ports.toReversed()) {
      for (const { mapping } of yield* port.ledger.stuckEntries(ranges)) {
        tried.push(mapping.range);
        error = (yield* port.unmapStuck(mapping, generation)) ?? error;
        const pause = pauseIfOver();
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
    return { tried, error };
  }

  /** Calls back once the set that is open has been answered; at once when it has been. */
  onceAnswered(callback: () => void): void {
    if (this.pending) {
      this.#onIdle = callback;
    } else {
      callback();
    }
  }

  /** Gets no more maps, but holds something still: no longer what is active. */
  *markLeaving(): Coroutine<void> {
    this.phase = 'leaving';
    const unanswered = new Map<number, MemoryRange>();
    this.#unanswered = unanswered;
    yield* eachInSlices(this.#branch.open?.maps ?? [], ({ range }) => {
      unanswered.set(range.startPage, range);
    });
    for (const ledger of this.ledgers) {
      yield* ledger.materialize();
    }
  }

  /** Lets go of the branch. */
  end(): void {
    this.phase = 'gone';
    for (const ledger of this.ledgers) {
      ledger.end();
    }
    this.#branch.end();
    this.#outcomes.complete();
  }

  #note(outcome: Outcome): Outcome {
    if (this.#outcomes.observed) {
      this.#outcomes.next(outcome);
    }
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle?.();
    return outcome;
  }
}

const NO_ERROR: { readonly error?: DmaError } = {};
