import type { Attachments } from '../attachments/attachments.js';
import type { MapChange } from '../contracts/change-set.js';
import { mapFailure, unmapFailure } from '../branches/command-errors.js';
import type { Delivery } from '../branches/delivery-result.js';
import { CommandDirector } from './command-director.js';
import { ManagedSet } from '../changes/managed-set.js';
import { deliver } from '../branches/delivery.js';
import { difference, simpleDifference, type Difference } from '../view/difference.js';
import { Draft, type RegionContext } from '../regions/draft.js';
import type { RegionCommandEdit } from '../regions/region-handle.js';
import { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { RegionEdit } from '../contracts/region.js';
import { filterInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import { isPromiseLike, run as runSteps, waitFor, type Coroutine } from '../util/coroutine.js';
import type { VaOwner } from '../host-addresses/va-owner.js';
import type { View } from '../view/view.js';

/** What a transaction takes effect on. */
interface TransactionsOptions {
  readonly ground: RegionContext;
  readonly view: View;
  readonly vas: VaOwner;
  readonly attachments: Attachments;
  readonly warn: (warning: DmaError) => void;
  /** Tells those who watch of one that took effect. */
  readonly publish: (draft: Draft, set: ManagedSet) => Coroutine<void> | undefined;
}

/** Runs transactions: their edits, the delivery to the targets, and the commit, or the way back. One at a time. */
export class Transactions {
  readonly #ground: RegionContext;
  readonly #view: View;
  readonly #vas: VaOwner;
  readonly #attachments: Attachments;
  readonly #warn: (warning: DmaError) => void;
  readonly #publish: TransactionsOptions['publish'];

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
    this.#view.begin(draft);
    let value: T;
    try {
      value = work(draft);
      if (isPromiseLike(value)) {
        ignoreRejection(value);
        throw new TypeError('the work of a transaction must be synchronous: it returned a promise');
      }
    } catch (error) {
      draft.end();
      return runSteps(this.#refuse(draft, error));
    }
    draft.end();
    const done = runSteps(this.#takeEffect(draft));
    return isPromiseLike(done) ? done.then(() => value) : value;
  }

  /** A command of a region: a transaction of one edit, which may take long. */
  runEdit(work: (edit: RegionCommandEdit) => Coroutine<void> | undefined): void | Promise<void> {
    const draft = new Draft(this.#ground);
    this.#view.begin(draft);
    let editing: Coroutine<void> | undefined;
    try {
      editing = work(draft);
    } catch (error) {
      return runSteps(this.#refuse(draft, error));
    }
    return runSteps(editing === undefined ? this.#takeEffect(draft) : this.#editFirst(draft, editing));
  }

  *#editFirst(draft: Draft, editing: Coroutine<void>): Coroutine<void> {
    try {
      yield* editing;
    } catch (error) {
      return yield* this.#refuse(draft, error);
    }
    yield* this.#takeEffect(draft);
  }

  /** Brings the edits of a draft to the targets, and into the view; or takes them back. */
  *#takeEffect(draft: Draft): Coroutine<void> {
    const { privates } = draft;
    const generation = this.#view.generation + 1;
    let change: Difference;
    try {
      change = simpleDifference(draft.edits) ?? (yield* difference(this.#ground.table, draft));
      if (this.#vas.hasPrivates || privates !== undefined) {
        yield* this.#view.indexEdits(draft.edits);
        yield* this.#vas.check(privates, change);
      }
      if (privates !== undefined) {
        if (this.#attachments.hasStuck) {
          yield* this.#attachments.clearStuck(privates.added, generation);
        }
        yield* this.#vas.make(privates);
      }
    } catch (error) {
      return yield* this.#refuse(draft, yield* this.#explain(error));
    }
    const maps = this.#vas.hasPrivates ? yield* this.#vas.withVas(change.maps) : change.maps;
    const set = new ManagedSet(this.#view, generation, change, maps);
    const delivery = this.#isForNobody(set)
      ? yield* waitFor(this.#vas.releaseFiles(change.removed))
      : yield* deliver(set, this.#attachments.attached, new CommandDirector(set, change, this.#vas, this.#attachments));
    for (const skipped of delivery?.skipped ?? NONE) {
      this.#warn(skipped);
    }
    if (delivery?.failure !== undefined) {
      yield* this.#takeBack(draft);
      yield* waitFor(this.#vas.discard());
      // Also where something was to leave: the undo may have cleared what was stuck there, and kept the VA of another mapping alive.
      yield* waitFor(this.#vas.releaseUnused(yield* rangesOf([set.maps, change.removed])));
      throw mapFailure(delivery.failure, delivery, yield* this.#attachments.inTheWayOf(delivery.failure));
    }
    const applying = this.#view.apply(set.maps === change.maps ? change : { ...change, maps: set.maps });
    if (applying !== undefined) {
      yield* applying;
    }
    const pending = privates === undefined ? undefined : yield* this.#vas.commit(privates);
    const publishing = this.#publish(draft, set);
    if (publishing !== undefined) {
      yield* publishing;
    }
    if (pending !== undefined) {
      yield pending;
    }
    if (delivery !== undefined && delivery.stuck.length > 0) {
      const stuck = yield* this.#stillStuck(delivery);
      if (stuck.length > 0) {
        throw unmapFailure(delivery.unmapError, stuck);
      }
    }
  }

  *#takeBack(draft: Draft): Coroutine<void> {
    yield* draft.rollback();
    this.#view.abandon();
  }

  *#refuse(draft: Draft, error: unknown): Coroutine<never> {
    yield* this.#takeBack(draft);
    throw error;
  }

  /** Names what is in the way where private memory cannot be made for that. */
  *#explain(error: unknown): Coroutine<unknown> {
    if (!(error instanceof DmaError)) {
      return error;
    }
    const failure = { error, target: error.target ?? '', range: error.range };
    const inTheWay = yield* this.#attachments.inTheWayOf(failure);
    return inTheWay.length === 0 ? error : mapFailure(failure, NOTHING_DONE, inTheWay);
  }

  /** Whether no target need be told. VAs that an earlier target made end with their mappings all the same. */
  #isForNobody({ regionUnmaps, maps }: ManagedSet): boolean {
    return (regionUnmaps.length === 0 && maps.length === 0) || this.#attachments.attached.length === 0;
  }

  /** Of what was stuck during a command: what has not been cured within it. */
  #stillStuck({ stuck }: Delivery): Coroutine<Delivery['stuck']> {
    return filterInSlices(stuck, (at) => this.#attachments.attached.some((handle) => handle.isStuck(at)));
  }
}

const NONE: readonly never[] = [];
const NOTHING_DONE = { undone: NONE, missing: NONE, stuck: NONE };

function* rangesOf(lists: readonly (readonly MapChange[])[]): Coroutine<readonly MemoryRange[]> {
  return yield* mapInSlices(yield* joinInSlices(lists), ({ range }) => range);
}

function ignoreRejection(promise: PromiseLike<unknown>): void {
  promise.then(undefined, () => undefined);
}
