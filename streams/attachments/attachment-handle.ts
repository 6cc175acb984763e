import { Subject, type Observable } from 'rxjs';
import { Branch } from '../branches/branch.js';
import type { HeldAddresses } from '../branches/branch-stream.js';
import type { Unanswering } from '../branches/command-errors.js';
import type { Receiver } from '../branches/receiver.js';
import { unansweredBy, type Unanswered } from '../branches/unanswered.js';
import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import type { VaUser } from '../host-addresses/va-errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { Ledger } from '../target/ledger.js';
import type { Monitor } from '../target/monitor.js';
import type { TargetPort } from '../target/target-port.js';
import { type Coroutine, isPromiseLike, run, waitFor } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import type { Attachment, DetachOptions } from './attachment.js';
import { AttachmentLedgers } from './attachment-ledgers.js';
import type { HandleCommands } from './handle-commands.js';
import { lastOutcome } from './last-outcome.js';
import { OutcomeStream } from './outcome-stream.js';
import { recordAssumed } from './assumed-ledger.js';
import { SetMeasure } from './set-measure.js';
import { unmapAssumedStuck, unmapStuckAt, type StuckRetry } from './stuck-retry.js';
import { VaUse } from './va-use.js';
import { printable } from '../util/printing.js';

/** An attachment, with what its manager needs to know of it. */
export class AttachmentHandle implements Attachment, Receiver {
  phase: 'attached' | 'leaving' | 'gone' = 'attached';
  readonly ledgers: AttachmentLedgers;
  readonly concurrent: boolean;
  readonly #branch: Branch;
  readonly #commands: HandleCommands<AttachmentHandle>;
  readonly #warn: (warning: DmaError) => void;
  readonly #outcomes = new Subject<Outcome>();
  readonly #stream = new OutcomeStream(this.#outcomes);
  /** The ledger of a branch without registered targets, which does not end in `toTarget`. */
  readonly #assumedLedger: Ledger | undefined;
  #generation = 0; // Of the set that was served last.
  readonly #vaUse: VaUse;

  /** @throws what the branch function throws */
  constructor(branch: TargetBranch, commands: HandleCommands<AttachmentHandle>, warn: (warning: DmaError) => void) {
    this.#branch = new Branch(branch, warn);
    this.concurrent = this.#branch.concurrent;
    this.#commands = commands;
    this.#warn = warn;
    this.#assumedLedger = this.#branch.ports.length === 0 ? new Ledger() : undefined;
    this.ledgers = new AttachmentLedgers(this.#branch, this.#assumedLedger);
    this.#vaUse = new VaUse(this.#branch, this.#assumedLedger);
    this.#branch.start();
  }

  get target(): string {
    return this.#branch.name;
  }

  get ports(): readonly TargetPort[] {
    return this.#branch.ports;
  }

  get vas(): readonly HeldAddresses[] {
    return this.#branch.vas;
  }

  get broken(): DmaError | undefined {
    return this.#branch.broken;
  }

  get pending(): boolean {
    return this.#branch.pending;
  }

  /** The set that is `pending`. */
  get open(): ChangeSet | undefined {
    return this.#branch.open;
  }

  /** Who has not answered the set that is `pending`. */
  get unanswering(): Unanswering {
    return this.#branch.unanswering;
  }

  /** What has not been answered: a set, or a call that belongs to none. */
  get unanswered(): readonly Unanswered[] {
    return unansweredBy(this.#branch);
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

  detach(options: DetachOptions = {}): Promise<void> {
    return this.#commands.detach(this, options);
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
      if (error !== undefined && port.gone === undefined) {
        this.#warn(error);
      }
    }
    yield* this.noteGone();
  }

  /** The error that says that one of its targets is gone. Then the attachment gets no more maps, and is to be detached. */
  get gone(): DmaError | undefined {
    return this.#stream.gone;
  }

  get isGone(): boolean {
    return this.gone !== undefined || this.#branch.goneIn() !== undefined;
  }

  /** Ends `outcomes$` if a call past the sets has found that a target is gone. */
  *noteGone(): Coroutine<void> {
    const gone = this.phase === 'gone' ? undefined : this.#branch.goneIn();
    if (gone !== undefined) {
      yield* this.#publishLast({ generation: this.#generation, target: this.target }, gone);
    }
  }

  /** All its targets count as gone, at once. A set that has not been answered fails with this error. */
  abandon(error: DmaError): void {
    if (this.phase === 'gone') {
      return;
    }
    const wasPending = this.pending;
    for (const port of this.#branch.made) {
      port.abandon(error);
    }
    this.#assumedLedger?.clear();
    this.#vaUse.forgetUnanswered();
    if (this.pending) {
      this.#branch.abandon(error); // One of its operators does not answer.
    }
    if (!wasPending) {
      this.#stream.publishLast({ generation: this.#generation, target: this.target }, error);
    }
  }

  /** Observes the sets that are served from now on, and may abort them. */
  set monitor(monitor: Monitor | undefined) {
    for (const port of this.ports) {
      port.monitor = monitor;
    }
  }

  /** Serves one set. Of one with maps nothing is done once a target is gone. */
  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    if (this.gone !== undefined && set.maps.length > 0) {
      return { generation: set.generation, target: this.target, status: 'applied', skipped: [] };
    }
    this.#generation = set.generation;
    this.#stream.measure = this.#outcomes.observed ? new SetMeasure(set, this.#branch.made) : undefined;
    const outcome = this.#branch.serve(set);
    if (this.#assumedLedger !== undefined) {
      return run(this.#recordAndPublish(this.#assumedLedger, set, outcome));
    }
    return isPromiseLike(outcome) ? outcome.then((late) => this.#answerWith(late)) : this.#answerWith(outcome);
  }

  *#recordAndPublish(ledger: Ledger, set: ChangeSet, answer: Outcome | Promise<Outcome>): Coroutine<Outcome> {
    const outcome = yield* waitFor(answer);
    const gone = this.gone ?? this.#branch.goneIn(outcome);
    yield* recordAssumed(ledger, set, gone === undefined ? outcome : lastOutcome(outcome, gone));
    return yield* waitFor(this.#answerWith(outcome));
  }

  #answerWith(outcome: Outcome): Outcome | Promise<Outcome> {
    if (this.gone !== undefined) {
      return outcome; // The last one has been published.
    }
    const gone = this.#branch.goneIn(outcome);
    return gone === undefined ? this.#publish(outcome) : run(this.#publishLast(outcome, gone));
  }

  *#publishLast(outcome: Parameters<typeof lastOutcome>[0], gone: DmaError): Coroutine<Outcome> {
    this.#vaUse.forgetUnanswered();
    // Those of other targets no longer follow the active mappings.
    yield* this.ledgers.materialize();
    return this.#stream.publishLast(outcome, gone);
  }

  #publish(outcome: Outcome): Outcome | Promise<Outcome> {
    if (outcome.status === 'failed') {
      this.#commands.failed(this, outcome);
    }
    return this.#outcomes.observed || this.#stream.onAnswered !== undefined ? this.#stream.publish(outcome) : outcome;
  }

  isStuck(at: TargetRange): boolean {
    return this.#assumedLedger === undefined
      ? this.#branch.isStuck(at)
      : this.#assumedLedger.stuck.at(at.range) !== undefined;
  }

  /** Whether a target may use the host address of the mapping at exactly this range, which is no longer active. */
  usesVa(range: MemoryRange): boolean {
    return this.#vaUse.uses(range);
  }

  usersOf(range: MemoryRange): readonly VaUser[] {
    return this.#vaUse.usersOf(range);
  }

  /**
   * Unmaps again what is stuck, only over `ranges` when they are given. Nothing else that a target holds is unmapped.
   *
   * @returns the ranges that were tried, and the last failure
   */
  *unmapStuck(generation: number, ranges?: readonly MemoryRange[]): Coroutine<StuckRetry> {
    if (this.#assumedLedger !== undefined) {
      return yield* unmapAssumedStuck(this.#assumedLedger, this, generation, ranges);
    }
    const retry = yield* unmapStuckAt(this.ports, generation, ranges);
    yield* this.noteGone();
    return retry;
  }

  get hasStuck(): boolean {
    return this.ledgers.list.some((ledger) => ledger.hasStuck);
  }

  /** Calls back when the open set has been answered; within the call when there is none. */
  onceAnswered(callback: () => void): void {
    if (this.pending) {
      this.#stream.onAnswered = callback;
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
    yield* this.#vaUse.keep(this.#branch.open?.maps ?? []);
    yield* this.ledgers.materialize();
  }

  /** Ends the branch, and completes `outcomes$`. */
  end(): void {
    this.phase = 'gone';
    this.ledgers.end();
    this.#branch.end();
    this.#outcomes.complete();
  }
}

printable(
  AttachmentHandle,
  ({ target, phase, pending, ledgers }) => ({ target, phase, pending, ...ledgers.counts() }),
  'Attachment',
);
