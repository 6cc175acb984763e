import { Observable, type Subscriber, type Subscription } from 'rxjs';
import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import { DmaError, toDmaError, type TargetRange } from '../contracts/errors.js';
import { append } from '../util/lists.js';
import { checkedOutcome, withDetails } from '../changes/outcomes.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import { isRunningCallbacks, SyncPromise } from '../util/sync-promise.js';
import type { TargetPort } from '../target/target-port.js';
import { show } from '../util/checks.js';

/** The addresses that a VA mapper has given, as far as a branch that uses the mapper is concerned. */
export interface HeldAddresses {
  /** The manager that releases them, if any. */
  readonly owner: object | undefined;
}

/** What registers itself while a branch is being put under way. */
let registration: { readonly ports: TargetPort[]; readonly vas: HeldAddresses[] } | undefined;

/** Makes the place of a target known to whoever puts the branch that it is part of under way. */
export function registerPort(port: TargetPort): void {
  registration?.ports.push(port);
}

/** The same, of what a VA mapper holds that the branch uses. */
export function registerAddresses(vas: HeldAddresses): void {
  registration?.vas.push(vas);
}

/**
 * A branch under way: hand it a set, get its outcome.
 *
 * Every set gets exactly one outcome. A branch that ends, or breaks, answers what is still open, and all that comes later, with a
 * failure; an outcome that is none is a failure; what it says unasked is reported and dropped.
 */
export class Branch {
  /** The targets that are served through it, in order, as far as they have registered themselves. */
  readonly ports: readonly TargetPort[];
  /** What the VA mappers hold that it uses, as far as they have registered themselves. */
  readonly vas: readonly HeldAddresses[];
  /** Whoever listens to the sets: the branch, once. A `Subject` would do; it takes a multiple of the time. */
  #listeners: readonly Subscriber<ChangeSet>[] = [];
  readonly #subscription: Subscription;
  readonly #onWrong: (problem: string) => void;
  #ended = false;
  #open: ChangeSet | undefined = undefined;
  #delivered = false;
  #answer: Outcome | undefined = undefined;
  #resolve: ((outcome: Outcome) => void) | undefined = undefined;
  #broken: DmaError | undefined = undefined;

  /** @throws what the branch function throws; TypeError when it returns no observable */
  constructor(branch: TargetBranch, warn: (error: DmaError) => void = ignore) {
    this.#onWrong = (problem) => {
      warn(this.#badOutcome(problem));
    };
    const outer = registration;
    const ports: TargetPort[] = [];
    const vas: HeldAddresses[] = [];
    registration = { ports, vas };
    try {
      const outcomes$: unknown = branch(this.#input());
      if (!isObservable(outcomes$)) {
        throw new TypeError(`a branch must return an Observable of outcomes, not ${show(outcomes$)}`);
      }
      this.#subscription = outcomes$.subscribe({
        next: (outcome) => {
          this.#receive(outcome);
        },
        error: (error: unknown) => {
          this.#break(toDmaError(error, { fallbackCode: 'ERR_BRANCH_ENDED', target: this.name }));
        },
        complete: () => {
          this.#break(
            new DmaError('the branch has ended', {
              code: 'ERR_BRANCH_ENDED',
              target: this.name,
              hint: 'a branch must not complete before its change sets do: detach it, and attach it again',
            }),
          );
        },
      });
    } finally {
      registration = outer;
    }
    this.ports = ports;
    this.vas = vas;
  }

  /** Of its targets; of several, joined with `+`. */
  get name(): string {
    const ports = this.ports as readonly TargetPort[] | undefined; // not yet there while it is being put under way
    return ports === undefined || ports.length === 0 ? 'branch' : ports.map((port) => port.name).join('+');
  }

  /** Why it can serve nothing more. */
  get broken(): DmaError | undefined {
    return this.#broken;
  }

  /** The set that has not been answered yet. */
  get open(): ChangeSet | undefined {
    return this.#open;
  }

  /** Whether there is one. */
  get pending(): boolean {
    return this.#open !== undefined;
  }

  /** Whether all its targets may be served beside those of other branches. */
  get concurrent(): boolean {
    return this.ports.length > 0 && this.ports.every(({ target }) => target.concurrent === true);
  }

  isStuck({ target, range }: TargetRange): boolean {
    return this.ports.length === 0 || this.ports.some((port) => port.name === target && port.ledger.isStuck(range));
  }

  /** One set at a time: the next one when this one is answered. */
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

  /** Completes what goes in and stops listening to what comes out. */
  end(): void {
    this.#broken ??= new DmaError('the branch has been detached', { code: 'ERR_BRANCH_ENDED', target: this.name });
    this.#ended = true;
    for (const listener of this.#listeners) {
      listener.complete();
    }
    this.#subscription.unsubscribe();
  }

  /** What a branch that broke can no longer pass on, its targets are told directly: nothing stays mapped for that. */
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

  /** The sets, as the branch sees them. One that comes before the branch listens, because it was deferred, waits for it. */
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
    const set = this.#open;
    const outcome = set === undefined ? undefined : checkedOutcome(answer, set, this.#onWrong);
    if (set === undefined || outcome === undefined || isOlder(outcome, set)) {
      this.#onWrong('the branch gave an outcome for which no change set is open');
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
      resolve(outcome); // What waits for it goes on when the branch is done with this outcome.
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

/** An answer to a set that was answered before. */
function isOlder(outcome: Outcome | string, set: ChangeSet): boolean {
  return typeof outcome === 'object' && outcome.generation < set.generation;
}

function ignore(): void {
  // Whoever puts a branch under way without asking is not told.
}
