import { Subject, type Observable } from 'rxjs';
import { Branch } from '../branches/branch.js';
import type { HeldAddresses } from '../branches/branch-stream.js';
import type { Receiver } from '../branches/receiver.js';
import { inverse, unmapOf } from '../changes/managed-set.js';
import { mappingOf } from '../changes/mapping.js';
import { uniqueInSlices } from '../changes/unique.js';
import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import type { VaUser } from '../host-addresses/va-errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices, mapInSlices } from '../ranges/slices.js';
import { Ledger } from '../target/ledger.js';
import type { Monitor } from '../target/monitor.js';
import type { TargetPort } from '../target/target-port.js';
import { type Coroutine, isPromiseLike, run, waitFor } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { pauseIfOver } from '../util/time-slice.js';
import type { Attachment } from './attachment.js';
import { AttachmentLedgers } from './attachment-ledgers.js';
import { recordAssumed } from './assumed-ledger.js';

/** The commands of an attachment. They run on the queue of its manager. */
export interface HandleCommands {
  retryStuck(handle: AttachmentHandle): Promise<void>;
  verify(handle: AttachmentHandle): Promise<readonly Finding[]>;
  heal(handle: AttachmentHandle, options: HealOptions): Promise<void>;
  detach(handle: AttachmentHandle): Promise<void>;
}

/** An attachment, with what its manager needs to know of it. */
export class AttachmentHandle implements Attachment, Receiver {
  /** `leaving`: gets no more maps, but something is held or stuck, or a call has not been answered. */
  phase: 'attached' | 'leaving' | 'gone' = 'attached';
  readonly ledgers: AttachmentLedgers;
  readonly concurrent: boolean;
  readonly #branch: Branch;
  readonly #commands: HandleCommands;
  readonly #warn: (warning: DmaError) => void;
  readonly #outcomes = new Subject<Outcome>();
  /** The ledger of a branch without registered targets, which does not end in `toTarget`. */
  readonly #assumedLedger: Ledger | undefined;
  #onAnswered: (() => void) | undefined = undefined;
  /** By start, the maps of the set that was not answered when the attachment began to leave: some may still be made. */
  #unanswered: ReadonlyMap<number, MemoryRange> | undefined = undefined;

  /** @throws what the branch function throws */
  constructor(branch: TargetBranch, commands: HandleCommands, warn: (warning: DmaError) => void) {
    this.#branch = new Branch(branch, warn);
    this.concurrent = this.#branch.concurrent;
    this.#commands = commands;
    this.#warn = warn;
    this.#assumedLedger = this.#branch.ports.length === 0 ? new Ledger() : undefined;
    this.ledgers = new AttachmentLedgers(this.#branch, this.#assumedLedger);
    this.#branch.start();
  }

  get target(): string {
    return this.#branch.name;
  }

  get ports(): readonly TargetPort[] {
    return this.#branch.ports;
  }

  /** The addresses held by the VA mappers of the branch. */
  get vas(): readonly HeldAddresses[] {
    return this.#branch.vas;
  }

  get broken(): DmaError | undefined {
    return this.#branch.broken;
  }

  get pending(): boolean {
    return this.#branch.pending;
  }

  get outcomes$(): Observable<Outcome> {
    return this.#outcomes.asObservable();
  }

  ledger(): readonly LedgerEntry[] {
    return this.ledgers.entries();
  }

  missing(): readonly MemoryRange[] {
    return this.phase === 'attached' ? this.ledgers.missing() : [];
  }

  /** As `missing`, in slices. */
  *missingInSlices(): Coroutine<readonly MemoryRange[]> {
    return this.phase === 'attached' ? yield* this.ledgers.missingInSlices() : EMPTY_LIST;
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

  /** Whether one of its targets has begun a set that can end now. */
  get isInSet(): boolean {
    return !this.pending && this.#branch.made.some((port) => port.isInSet);
  }

  /** Ends the set at its targets, where one has begun and can end now. Reports a failure. */
  *endSet(): Coroutine<void> {
    if (this.pending) {
      return;
    }
    for (const port of this.#branch.made) {
      const error = port.isInSet ? yield* port.endSet() : undefined;
      if (error !== undefined) {
        this.#warn(error);
      }
    }
  }

  /** Observes the sets that are served from now on, and may abort them. */
  set monitor(monitor: Monitor | undefined) {
    for (const port of this.ports) {
      port.monitor = monitor;
    }
  }

  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    const outcome = this.#branch.serve(set);
    if (this.#assumedLedger !== undefined) {
      return run(this.#recordAndPublish(this.#assumedLedger, set, outcome));
    }
    return isPromiseLike(outcome) ? outcome.then((late) => this.#publish(late)) : this.#publish(outcome);
  }

  *#recordAndPublish(ledger: Ledger, set: ChangeSet, answer: Outcome | Promise<Outcome>): Coroutine<Outcome> {
    const outcome = yield* waitFor(answer);
    yield* recordAssumed(ledger, set, outcome);
    return this.#publish(outcome);
  }

  isStuck(at: TargetRange): boolean {
    return this.#assumedLedger === undefined
      ? this.#branch.isStuck(at)
      : this.#assumedLedger.stuck.at(at.range) !== undefined;
  }

  /**
   * Whether one of its targets may use the host address of the mapping at exactly this range, which is no longer
   * active.
   */
  usesVa(range: MemoryRange): boolean {
    return (
      this.#unanswered?.get(range.startPage)?.equals(range) === true ||
      (this.#assumedLedger === undefined
        ? this.ports.some((port) => port.usesVa(range))
        : this.#assumedLedger.at(range) !== undefined)
    );
  }

  /** The targets for which `usesVa` holds. */
  usersOf(range: MemoryRange): readonly VaUser[] {
    if (!this.usesVa(range)) {
      return [];
    }
    const ports = this.ports.filter((port) => port.usesVa(range));
    return ports.length === 0
      ? [{ target: this.target, range, stuck: this.#assumedLedger?.stuck.at(range) !== undefined }]
      : ports.map(({ name, ledger }) => ({ target: name, range, stuck: ledger.stuck.at(range) !== undefined }));
  }

  /**
   * Unmaps again what is stuck, only over `ranges` when they are given. Nothing else that a target holds is unmapped.
   *
   * @returns the ranges that were tried, and the last failure
   */
  *unmapStuck(
    generation: number,
    ranges?: readonly MemoryRange[],
  ): Coroutine<{ readonly tried: readonly MemoryRange[]; readonly error: DmaError | undefined }> {
    if (this.#assumedLedger !== undefined) {
      const stuck = yield* mapInSlices(yield* this.#assumedLedger.stuck.entries(ranges), mappingOf);
      const unmaps = yield* mapInSlices(yield* uniqueInSlices([stuck]), unmapOf);
      const outcome = unmaps.length === 0 ? undefined : yield* waitFor(this.serve(inverse(generation, unmaps, [])));
      return { tried: yield* mapInSlices(unmaps, ({ range }) => range), error: outcome?.error };
    }
    const tried: MemoryRange[] = [];
    let error: DmaError | undefined;
    for (const port of this.ports.toReversed()) {
      for (const { mapping } of yield* port.ledger.stuck.entries(ranges)) {
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

  get hasStuck(): boolean {
    for (const ledger of this.ledgers.list) {
      if (ledger.hasStuck) {
        return true;
      }
    }
    return false;
  }

  /** Calls back when the open set has been answered; within the call when there is none. */
  onceAnswered(callback: () => void): void {
    if (this.pending) {
      this.#onAnswered = callback;
    } else {
      callback();
    }
  }

  /**
   * The attachment gets no more maps, but is not empty yet: its ledgers list what is held, independently of the active
   * mappings.
   */
  *markLeaving(): Coroutine<void> {
    this.phase = 'leaving';
    const unanswered = new Map<number, MemoryRange>();
    this.#unanswered = unanswered;
    yield* eachInSlices(this.#branch.open?.maps ?? [], ({ range }) => {
      unanswered.set(range.startPage, range);
    });
    yield* this.ledgers.materialize();
  }

  /** Ends the branch, and completes `outcomes$`. */
  end(): void {
    this.phase = 'gone';
    this.ledgers.end();
    this.#branch.end();
    this.#outcomes.complete();
  }

  #publish(outcome: Outcome): Outcome {
    if (this.#outcomes.observed) {
      this.#outcomes.next(outcome);
    }
    const onAnswered = this.#onAnswered;
    this.#onAnswered = undefined;
    onAnswered?.();
    return outcome;
  }
}

/** The attachments of a manager that are not new, by phase. */
interface Phases {
  readonly attached: readonly AttachmentHandle[];
  readonly leaving: readonly AttachmentHandle[];
}

/** Whether something is stuck at a target of one of these attachments. */
export function anyStuck({ attached, leaving }: Phases): boolean {
  const isStuck = ({ hasStuck }: AttachmentHandle): boolean => hasStuck;
  return attached.some(isStuck) || leaving.some(isStuck);
}

/** Ends the set of a command at all targets where it has begun, in attach order. `undefined` when there is none. */
export function endSets({ attached, leaving }: Phases): Coroutine<void> | undefined {
  const isInSet = (handle: AttachmentHandle): boolean => handle.isInSet;
  return attached.some(isInSet) || leaving.some(isInSet) ? endEach([...attached, ...leaving]) : undefined;
}

function* endEach(handles: readonly AttachmentHandle[]): Coroutine<void> {
  for (const handle of handles) {
    yield* handle.endSet();
  }
}
