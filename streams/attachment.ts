import { Subject, type Observable } from 'rxjs';
import { ascending } from './ascending.js';
import { Branch, type TargetBranch } from './branch.js';
import { assume } from './assume.js';
import type { ChangeSet, MapChange, Outcome } from './change-set.js';
import { CommandSet, leaveEach, unmapOf, type ActiveMappings } from './command-set.js';
import { forward, inverse, type Receiver } from './delivery.js';
import type { Finding, HealOptions } from './finding.js';
import type { DmaError, TargetRange } from './errors.js';
import { pauseIfOver } from './event-loop.js';
import { Ledger, type LedgerEntry } from './ledger.js';
import type { MemoryRange } from './memory-range.js';
import { eachInSlices, joinInSlices, mapInSlices, sortedInSlices } from './slices.js';
import { isPromiseLike, run, settled, type Steps } from './steps.js';
import type { Monitor } from './target-maps.js';
import type { TargetPort } from './target-port.js';

export interface AttachOptions {
  /** Aborts the replay between its maps, which undoes it. Has no effect once attached. */
  readonly signal?: AbortSignal;
  /** Called after each map of the replay. In bytes; `total` is what is replayed, for all targets of the branch together. */
  readonly onProgress?: (progress: { readonly done: bigint; readonly total: bigint }) => void;
}

/** The commands of an attachment, on its manager's queue. */
export interface AttachmentCommands {
  retryStuck(attachment: AttachmentHandle): Promise<void>;
  verify(attachment: AttachmentHandle): Promise<readonly Finding[]>;
  heal(attachment: AttachmentHandle, options: HealOptions): Promise<void>;
  detach(attachment: AttachmentHandle): Promise<void>;
}

/** A target, or a branch with several, that follows a manager. */
export interface Attachment extends AsyncDisposable {
  /** Name of the target; of several, joined with `+`. */
  readonly target: string;
  /** Whether a change set has been handed to it and not been answered. */
  readonly pending: boolean;
  /** Hot. One for each step that it was handed, also of an undo. Completes when it is detached. */
  readonly outcomes$: Observable<Outcome>;
  /** What this target holds now, ascending; `stuck` where an unmap failed. */
  ledger(): readonly LedgerEntry[];
  /** What the target should hold and does not, because putting it back failed during an undo. Ascending. */
  missing(): readonly MemoryRange[];
  /**
   * Unmaps what is stuck, each mapping by itself.
   *
   * @throws DmaUnmapError when something is stuck still
   */
  retryStuck(): Promise<void>;
  /**
   * Compares the ledger with the target, where the target can be asked (`DmaTarget.mappedRanges`). Ascending.
   *
   * One that can only count (`DmaTarget.mappedCount`) cannot say where: the range of what is missing is then all that the ledger has, and of
   * what is unexpected the whole address space.
   */
  verify(): Promise<readonly Finding[]>;
  /**
   * Makes ledger, target and view equal again: unmaps what is stuck or unexpected, maps what is missing.
   *
   * A target that can only count keeps what it holds too much, unless `unexpected` asks for it: nobody can tell whose that is. `verify()` goes on
   * reporting it. Whether something is missing is then looked for all the same.
   *
   * @throws DmaUnmapError when something cannot be unmapped; DmaMapError when something cannot be mapped; DmaError `ERR_TARGET_DIFFERS` when a
   * target that can only count still holds another number than it should, more only where `unexpected` is set. What could be mended is mended
   */
  heal(options?: HealOptions): Promise<void>;
  /**
   * Unmaps what the ledger holds, then ends the attachment. Again: nothing.
   *
   * @throws DmaUnmapError when something is stuck: the target gets no more maps, and is gone once `retryStuck()` has cleared it
   */
  detach(): Promise<void>;
}

/** An attachment as its manager holds it. */
export class AttachmentHandle implements Attachment, Receiver {
  /** `leaving`: gets no more maps, but holds something still. */
  phase: 'attached' | 'leaving' | 'gone' = 'attached';
  /** One for each target. */
  readonly ledgers: readonly Ledger[];
  readonly #branch: Branch;
  readonly #commands: AttachmentCommands;
  readonly #outcomes = new Subject<Outcome>();
  /** Kept here for a branch whose targets have not announced themselves: one that does not end in `toTarget`. */
  readonly #assumed: Ledger | undefined;
  #onIdle: (() => void) | undefined = undefined;

  /** @throws what the branch function throws */
  constructor(branch: TargetBranch, commands: AttachmentCommands, warn: (warning: DmaError) => void) {
    this.#branch = new Branch(branch, warn);
    this.#commands = commands;
    this.#assumed = this.#branch.ports.length === 0 ? new Ledger() : undefined;
    this.ledgers = this.#assumed === undefined ? this.ports.map((port) => port.ledger) : [this.#assumed];
  }

  get target(): string {
    return this.#branch.name;
  }

  get ports(): readonly TargetPort[] {
    return this.#branch.ports;
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
    return this.ledgers.length === 1 ? entries : ascending(entries);
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
    if (this.#assumed !== undefined) {
      return run(this.#assume(this.#assumed, set, outcome));
    }
    return isPromiseLike(outcome) ? outcome.then((late) => this.#note(late)) : this.#note(outcome);
  }

  *#assume(ledger: Ledger, set: ChangeSet, answer: Outcome | Promise<Outcome>): Steps<Outcome> {
    const outcome = yield* settled(answer);
    yield* assume(ledger, set, outcome);
    return this.#note(outcome);
  }

  isStuck(at: TargetRange): boolean {
    return this.#assumed === undefined ? this.#branch.isStuck(at) : this.#assumed.isStuck(at.range);
  }

  /** Whether a target of it has something stuck in this range, or is not done with a set that it was handed. */
  holdsOnTo(range: MemoryRange): boolean {
    return (this.phase === 'leaving' && this.pending) || this.ledgers.some((ledger) => ledger.stuckIn(range));
  }

  get hasStuck(): boolean {
    for (const ledger of this.ledgers) {
      if (ledger.hasStuck) {
        return true;
      }
    }
    return false;
  }

  /** All that is stuck, at any of its targets. */
  *stuck(): Steps<readonly TargetRange[]> {
    const stuck: TargetRange[] = [];
    for (const [index, ledger] of this.ledgers.entries()) {
      const target = this.ports[index]?.name ?? this.target;
      yield* eachInSlices(yield* ledger.stuckEntries(), ({ range }) => {
        stuck.push({ target, range });
      });
    }
    return stuck;
  }

  /** All that its targets should hold and do not, ascending. */
  *missingInSlices(): Steps<readonly MemoryRange[]> {
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
  *leave(active: ActiveMappings): Steps<ChangeSet> {
    const [ledger] = this.ledgers;
    const held = this.ledgers.length === 1 && ledger !== undefined ? yield* ledger.heldAsActive() : undefined;
    if (held === undefined) {
      return forward(active.generation, yield* this.unmapsOfAll(), []);
    }
    return new CommandSet(active, active.generation, leaveEach(held), []);
  }

  /** Whether nothing is held, and nothing is stuck. */
  *isEmpty(): Steps<boolean> {
    for (const ledger of this.ledgers) {
      if (!(yield* ledger.isEmpty())) {
        return false;
      }
    }
    return true;
  }

  /** The unmaps, ascending, that end all that is held. */
  *unmapsOfAll(): Steps<ChangeSet['unmaps']> {
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
  ): Steps<{ readonly tried: readonly MemoryRange[]; readonly error: DmaError | undefined }> {
    if (this.#assumed !== undefined) {
      const stuck = yield* mapInSlices(yield* this.#assumed.stuckEntries(ranges), mappingOf);
      const unmaps = yield* mapInSlices(yield* uniqueInSlices([stuck]), unmapOf);
      const { error } = unmaps.length === 0 ? NO_ERROR : yield* settled(this.serve(inverse(generation, unmaps, [])));
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
  whenIdle(callback: () => void): void {
    if (this.pending) {
      this.#onIdle = callback;
    } else {
      callback();
    }
  }

  /** Gets no more maps, but holds something still: no longer what is active. */
  *leaveBehind(): Steps<void> {
    this.phase = 'leaving';
    for (const ledger of this.ledgers) {
      yield* ledger.settle();
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

function mappingOf({ mapping }: { readonly mapping: MapChange }): MapChange {
  return mapping;
}

/** The mappings of several lists, ascending, each start once. */
function* uniqueInSlices(lists: readonly (readonly MapChange[])[]): Steps<readonly MapChange[]> {
  const byStart = new Map<number, MapChange>();
  yield* eachInSlices(yield* joinInSlices(lists), (mapping) => {
    byStart.set(mapping.range.startPage, mapping);
  });
  return yield* sortedInSlices([...byStart.values()]);
}

/** Ascending, each start once. */
function uniqueByStart<T extends { readonly range: MemoryRange }>(mappings: readonly T[]): T[] {
  return ascending([...new Map(mappings.map((mapping) => [mapping.range.startPage, mapping])).values()]);
}
