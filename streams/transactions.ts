import type { Attachments } from './attachments.js';
import { mapFailure, unmapFailure } from './command-errors.js';
import { CommandDirector } from './command-director.js';
import { CommandSet } from './command-set.js';
import { deliver, type Delivery } from './delivery.js';
import { difference, type Difference } from './difference.js';
import { Draft, type Ground } from './draft.js';
import type { DmaError } from './errors.js';
import type { RegionEdit } from './region.js';
import { isPromiseLike, run as runSteps, settled, type Steps } from './steps.js';
import type { VaKeeper } from './va-keeper.js';
import type { View } from './view.js';

/** What a transaction takes effect on. */
interface TransactionsOptions {
  readonly ground: Ground;
  readonly view: View;
  readonly vas: VaKeeper;
  readonly attachments: Attachments;
  readonly warn: (warning: DmaError) => void;
  /** Tells those who watch of one that took effect. */
  readonly publish: (draft: Draft, set: CommandSet) => void;
}

/** Runs transactions: their edits, the delivery to the targets, and the commit, or the way back. One at a time. */
export class Transactions {
  readonly #ground: Ground;
  readonly #view: View;
  readonly #vas: VaKeeper;
  readonly #attachments: Attachments;
  readonly #warn: (warning: DmaError) => void;
  readonly #publish: (draft: Draft, set: CommandSet) => void;

  constructor(options: TransactionsOptions) {
    this.#ground = options.ground;
    this.#view = options.view;
    this.#vas = options.vas;
    this.#attachments = options.attachments;
    this.#warn = options.warn;
    this.#publish = options.publish;
  }

  /** As `RegionManager.transaction`. */
  run<T>(work: (edit: RegionEdit) => T): T | Promise<T> {
    const draft = new Draft(this.#ground);
    this.#view.begin(draft.edits);
    let value: T;
    try {
      value = work(draft);
      if (isPromiseLike(value)) {
        ignoreRejection(value);
        throw new TypeError('the work of a transaction must be synchronous: it returned a promise');
      }
    } catch (error) {
      this.#takeBack(draft);
      throw error;
    } finally {
      draft.end();
    }
    const done = runSteps(this.#takeEffect(draft));
    return isPromiseLike(done) ? done.then(() => value) : value;
  }

  /** Brings the edits of a draft to the targets, and into the view; or takes them back. */
  *#takeEffect(draft: Draft): Steps<void> {
    const { privates } = draft;
    const generation = this.#view.generation + 1;
    let change: Difference;
    try {
      change = difference(this.#ground.table, draft.edits);
      this.#vas.check(privates, change);
      if (privates !== undefined) {
        if (this.#attachments.hasStuck) {
          yield* this.#attachments.clearStuck(privates.added, generation);
        }
        this.#vas.make(privates);
      }
    } catch (error) {
      this.#takeBack(draft);
      throw error;
    }
    const set = new CommandSet(this.#view, generation, change.departures, this.#vas.withVas(change.maps));
    const delivery = this.#isForNobody(set)
      ? yield* settled(this.#vas.releaseFiles(change.leaving))
      : yield* deliver(set, this.#attachments.attached, new CommandDirector(set, change, this.#vas, this.#attachments));
    for (const skipped of delivery?.skipped ?? NONE) {
      this.#warn(skipped);
    }
    if (delivery?.failure !== undefined) {
      this.#takeBack(draft);
      yield* settled(this.#vas.discard());
      // Also where something was to leave: the undo may have cleared what was stuck there, and kept the VA of another mapping alive.
      yield* settled(this.#vas.sweep([...set.maps, ...change.leaving].map(({ range }) => range)));
      throw mapFailure(delivery.failure, delivery);
    }
    this.#view.apply(set.maps === change.maps ? change : { ...change, maps: set.maps });
    const pending = privates === undefined ? undefined : this.#vas.commit(privates);
    this.#publish(draft, set);
    if (pending !== undefined) {
      yield pending;
    }
    if (delivery !== undefined && delivery.stuck.length > 0) {
      const stuck = this.#stillStuck(delivery);
      if (stuck.length > 0) {
        throw unmapFailure(delivery.unmapError, stuck);
      }
    }
  }

  #takeBack(draft: Draft): void {
    draft.rollback();
    this.#view.abandon();
  }

  /** Whether no target need be told. VAs that an earlier target made end with their mappings all the same. */
  #isForNobody({ departures, maps }: CommandSet): boolean {
    return (departures.length === 0 && maps.length === 0) || this.#attachments.attached.length === 0;
  }

  /** Of what was stuck during a command: what has not been cured within it. */
  #stillStuck({ stuck }: Delivery): Delivery['stuck'] {
    return stuck.filter((at) => this.#attachments.attached.some((handle) => handle.isStuck(at)));
  }
}

const NONE: readonly never[] = [];

function ignoreRejection(promise: PromiseLike<unknown>): void {
  promise.then(undefined, () => undefined);
}
