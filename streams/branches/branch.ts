import { Observable, type Subscriber, type Subscription } from 'rxjs';
import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import { DmaError, toDmaError, type TargetRange } from '../contracts/errors.js';
import { append } from '../util/lists.js';
import { checkedOutcome, withDetails } from '../changes/outcomes.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { type Coroutine, isRunningCallbacks, run, SyncPromise, waitFor } from '../util/coroutine.js';
import type { TargetPort } from '../target/target-port.js';
import type { Unanswering } from './command-errors.js';
import { partsOf, SetStream, type HeldAddresses } from './branch-stream.js';
import { show } from '../util/checks.js';

/** The end of the hint for a branch that has ended. */
const AGAIN = 'detach it, and attach it again';

/**
 * A branch in operation, which answers every set with exactly one outcome.
 *
 * When the branch completes or errors, the open set and all later ones fail. An invalid outcome counts as a failure. An
 * outcome for which no set is open is reported as a warning and dropped.
 */
export class Branch {
  /** The ports of its targets, in order; empty when its targets are not known. */
  readonly ports: readonly TargetPort[];
  /** All ports that were made for its sets, those of targets that are not known included. */
  readonly made: readonly TargetPort[];
  /** The addresses of its VA mappers. */
  readonly vas: readonly HeldAddresses[];
  /** Whether all its targets may be served at the same time as those of other branches. */
  readonly concurrent: boolean;
  /** The subscribers to the sets: usually one. A `Subject` would take several times as long. */
  #listeners: readonly Subscriber<ChangeSet>[] = [];
  readonly #outcomes$: Observable<Outcome>;
  #subscription: Subscription | undefined = undefined;
  readonly #warnOf: (problem: string) => void;
  #ended = false;
  #open: ChangeSet | undefined = undefined;
  #delivered = false;
  #answer: Outcome | undefined = undefined;
  #resolve: ((outcome: Outcome) => void) | undefined = undefined;
  #broken: DmaError | undefined = undefined;

  /** @throws what the branch function throws; TypeError when it returns no observable */
  constructor(branch: TargetBranch, warn: (error: DmaError) => void = ignore) {
    this.#warnOf = (problem) => {
      warn(this.#badOutcome(problem));
    };
    const made: TargetPort[] = [];
    this.made = made;
    const outcomes$: unknown = branch(new SetStream({ ports: [], vas: [], made }, this.#input()));
    if (!isObservable(outcomes$)) {
      throw new TypeError(`a branch must return an Observable of outcomes, not ${show(outcomes$)}`);
    }
    this.#outcomes$ = outcomes$ as Observable<Outcome>;
    const { ports, vas } = partsOf(this.#outcomes$);
    // A branch counts as one whose targets are not known where it does not tell all of them: none may be forgotten.
    this.ports = made.every((port) => ports.includes(port)) ? ports : [];
    this.vas = vas;
    this.concurrent = this.ports.length > 0 && this.ports.every(({ target }) => target.concurrent === true);
  }

  /** Subscribes to the outcomes. To be called once, before the first set. */
  start(): void {
    this.#subscription = this.#outcomes$.subscribe({
      next: (outcome) => {
        this.#receive(outcome);
      },
      error: (error: unknown) => {
        this.#break(
          toDmaError(error, {
            fallbackCode: 'ERR_BRANCH_ENDED',
            target: this.name,
            hint: isTimeout(error)
              ? `a timeout of RxJS ends the branch, also while it is idle: use withTimeout(ms, branch) instead; ${AGAIN}`
              : `an operator that fails ends the branch; to try maps again use retryMaps(options, branch); ${AGAIN}`,
          }),
        );
      },
      complete: () => {
        this.#break(
          new DmaError('the branch has ended', {
            code: 'ERR_BRANCH_ENDED',
            target: this.name,
            hint: `a branch must not complete before its change sets do, as with take, first or takeUntil; ${AGAIN}`,
          }),
        );
      },
    });
  }

  /** The name of its target; of several, joined with `+`; `branch` when none is known. */
  get name(): string {
    return this.ports.length === 0 ? 'branch' : this.ports.map((port) => port.name).join('+');
  }

  /** The reason why it can serve no more sets. */
  get broken(): DmaError | undefined {
    return this.#broken;
  }

  /** The set that has not been answered. */
  get open(): ChangeSet | undefined {
    return this.#open;
  }

  /** Whether a set has not been answered. */
  get pending(): boolean {
    return this.#open !== undefined;
  }

  /** The error that says that one of its targets is gone, or that the branch has said so in an outcome. */
  goneIn(outcome?: Outcome): DmaError | undefined {
    for (const { gone } of this.made) {
      if (gone !== undefined) {
        return gone;
      }
    }
    return outcome?.error?.code === 'ERR_TARGET_GONE' ? outcome.error : undefined;
  }

  /** Who has not answered the open set. */
  get unanswering(): Unanswering {
    return this.made.some(({ isServing }) => isServing) ? 'target' : 'operator';
  }

  /** Whether exactly this range is stuck at the target of this name; always when no target is known. */
  isStuck({ target, range }: TargetRange): boolean {
    return (
      this.ports.length === 0 ||
      this.ports.some((port) => port.name === target && port.ledger.stuck.at(range) !== undefined)
    );
  }

  /** Serves one set. The next one must not be served before this one has been answered. */
  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    if (this.#broken !== undefined) {
      return set.maps.length === 0 && this.ports.length > 0
        ? run(this.#unmapDirectly(set))
        : this.#failure(set, this.#broken);
    }
    this.#open = set;
    this.#delivered = this.#listeners.length > 0;
    for (const listener of this.#listeners) {
      listener.next(set);
    }
    const answer = this.#answer;
    if (answer !== undefined) {
      this.#answer = undefined;
      return answer;
    }
    return new SyncPromise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** The branch is given up: the open set and all later ones fail with this error. What it answers later is ignored. */
  abandon(error: DmaError): void {
    this.#break(error);
  }

  /** Completes the sets, and unsubscribes from the outcomes. */
  end(): void {
    this.#broken ??= new DmaError('the branch has been detached', { code: 'ERR_BRANCH_ENDED', target: this.name });
    this.#ended = true;
    for (const listener of this.#listeners) {
      listener.complete();
    }
    this.#subscription?.unsubscribe();
  }

  /** Serves the unmaps of a set directly at the targets of a branch that has ended, so that nothing stays mapped. */
  *#unmapDirectly(set: ChangeSet): Coroutine<Outcome> {
    let outcome: Outcome = { generation: set.generation, target: this.name, status: 'applied', skipped: [] };
    const stuck: TargetRange[] = [];
    const undone: TargetRange[] = [];
    for (const port of this.ports.toReversed()) {
      const own = yield* waitFor(port.serve(set));
      append(stuck, own.stuck);
      append(undone, own.undone);
      outcome = own.status === 'failed' ? own : outcome;
    }
    return withDetails(outcome, { stuck, undone });
  }

  /**
   * The source of the branch. A set that is served before the branch has subscribed, because it does so late, is
   * emitted on subscription.
   */
  #input(): Observable<ChangeSet> {
    return new Observable((subscriber) => {
      if (this.#ended) {
        subscriber.complete();
        return;
      }
      this.#listeners = [...this.#listeners, subscriber];
      subscriber.add(() => {
        this.#listeners = this.#listeners.filter((other) => other !== subscriber);
      });
      if (this.#open !== undefined && !this.#delivered) {
        this.#delivered = true;
        subscriber.next(this.#open);
      }
    });
  }

  #receive(answer: unknown): void {
    if (this.#broken !== undefined) {
      return;
    }
    const set = this.#open;
    const outcome = set === undefined ? undefined : checkedOutcome(answer, set, this.#warnOf);
    if (set === undefined || outcome === undefined || isOlder(outcome, set)) {
      this.#warnOf('the branch gave an outcome for which no change set is open');
      return;
    }
    this.#settle(
      typeof outcome === 'string'
        ? this.#failure(set, this.#badOutcome(`the branch answered with ${outcome}, which is not an outcome`))
        : outcome,
    );
  }

  #break(error: DmaError): void {
    if (this.#broken !== undefined) {
      return;
    }
    this.#broken = error;
    if (this.#open !== undefined) {
      this.#settle(this.#failure(this.#open, error));
    }
  }

  #settle(outcome: Outcome): void {
    this.#open = undefined;
    const resolve = this.#resolve;
    if (resolve === undefined) {
      this.#answer = outcome;
      return;
    }
    this.#resolve = undefined;
    if (isRunningCallbacks()) {
      resolve(outcome); // The callbacks that wait for it run after the emission of this outcome.
    } else {
      void Promise.resolve(outcome).then(resolve);
    }
  }

  #badOutcome(problem: string): DmaError {
    return new DmaError(problem, {
      code: 'ERR_BAD_OUTCOME',
      target: this.name,
      hint: "a branch answers every change set with exactly one { generation, target, status: 'applied' | 'failed', skipped: [], error? }",
    });
  }

  #failure(set: ChangeSet, error: DmaError): Outcome {
    return { generation: set.generation, target: this.name, status: 'failed', skipped: [], error };
  }
}

function isObservable(value: unknown): value is Observable<unknown> {
  return typeof value === 'object' && value !== null && 'subscribe' in value && typeof value.subscribe === 'function';
}

/** Whether it is the error of the operator `timeout` of RxJS, of any copy of RxJS. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

/** Whether an outcome answers an earlier set. */
function isOlder(outcome: Outcome | string, set: ChangeSet): boolean {
  return typeof outcome === 'object' && outcome.generation < set.generation;
}

function ignore(): void {
  // The default: warnings are dropped.
}
