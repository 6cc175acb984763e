import type { AttachmentCommands } from '../attachments/attachment-commands.js';
import type { Attachments } from '../attachments/attachments.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { mapFailure, unmapFailure } from '../branches/command-errors.js';
import type { Delivery } from '../branches/delivery-result.js';
import type { DeliveryHooks } from '../branches/receiver.js';
import { ManagedSet } from '../changes/managed-set.js';
import { deliver } from '../branches/delivery.js';
import { difference, simpleDifference, type Difference } from '../view/difference.js';
import { Draft, type RegionContext } from '../regions/draft.js';
import type { RegionCommandEdit } from '../regions/region-handle.js';
import { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { RegionEdit } from '../contracts/region.js';
import { filterInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import { EMPTY_LIST } from '../util/lists.js';
import { isPromiseLike, run as runCoroutine, waitFor, type Coroutine } from '../util/coroutine.js';
import type { VaOwner } from '../host-addresses/va-owner.js';
import type { View } from '../view/view.js';

/** What transactions read and change. */
interface TransactionsOptions {
  readonly context: RegionContext;
  readonly view: View;
  readonly vas: VaOwner;
  readonly attachments: Attachments;
  readonly attachmentCommands: AttachmentCommands;
  readonly warn: (warning: DmaError) => void;
  /** Emits the events and the change set of a transaction that has taken effect. */
  readonly publish: (draft: Draft, set: ManagedSet) => Coroutine<void> | undefined;
}

/** Runs transactions, one at a time: their edits, the delivery to the targets, and the commit or the rollback. */
export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #context: RegionContext;
  readonly #view: View;
  readonly #vas: VaOwner;
  readonly #attachments: Attachments;
  readonly #attachmentCommands: AttachmentCommands;
  readonly #warn: (warning: DmaError) => void;
  readonly #publish: TransactionsOptions['publish'];

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#view = options.view;
    this.#vas = options.vas;
    this.#attachments = options.attachments;
    this.#attachmentCommands = options.attachmentCommands;
    this.#warn = options.warn;
    this.#publish = options.publish;
  }

  /** Runs `RegionManager.transaction`. */
  run<T>(work: (edit: RegionEdit) => T): T | Promise<T> {
    const draft = new Draft(this.#context);
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
      return runCoroutine(this.#rollBackAndThrow(draft, error));
    }
    draft.end();
    const done = runCoroutine(this.#takeEffect(draft));
    return isPromiseLike(done) ? done.then(() => value) : value;
  }

  /** Runs a command of a region: a transaction of one edit, which may yield to the event loop. */
  runEdit(work: (edit: RegionCommandEdit) => Coroutine<void> | undefined): void | Promise<void> {
    const draft = new Draft(this.#context);
    this.#view.begin(draft);
    let editing: Coroutine<void> | undefined;
    try {
      editing = work(draft);
    } catch (error) {
      return runCoroutine(this.#rollBackAndThrow(draft, error));
    }
    return runCoroutine(editing === undefined ? this.#takeEffect(draft) : this.#editFirst(draft, editing));
  }

  *#editFirst(draft: Draft, editing: Coroutine<void>): Coroutine<void> {
    try {
      yield* editing;
    } catch (error) {
      return yield* this.#rollBackAndThrow(draft, error);
    }
    yield* this.#takeEffect(draft);
  }

  /** Delivers the edits of a draft to the targets, then applies them to the view. On failure: rolls the draft back. */
  *#takeEffect(draft: Draft): Coroutine<void> {
    const { privates } = draft;
    const generation = this.#view.generation + 1;
    let change: Difference;
    try {
      change = simpleDifference(draft.edits) ?? (yield* difference(this.#context.table, draft));
      if (this.#vas.hasPrivates || privates !== undefined) {
        yield* this.#view.indexEdits(draft.edits);
        yield* this.#vas.check(privates, change);
      }
      if (privates !== undefined) {
        if (this.#attachments.hasStuck) {
          yield* this.#attachmentCommands.clearStuck(privates.added, generation);
        }
        yield* this.#vas.make(privates);
      }
    } catch (error) {
      return yield* this.#rollBackAndThrow(draft, yield* this.#withBlockers(error));
    }
    const maps = this.#vas.hasPrivates ? yield* this.#vas.withVas(change.maps) : change.maps;
    const details = { active: this.#view, removed: change.removed, addressOf: undefined };
    const set = new ManagedSet(details, generation, change.unmaps, maps);
    const delivery = this.#needsNoDelivery(set)
      ? yield* waitFor(this.#vas.releaseFiles(change.removed))
      : yield* deliver(set, this.#attachments.attached, new CommandHooks(set, change, this.#options));
    for (const skipped of delivery?.skipped ?? EMPTY_LIST) {
      this.#warn(skipped);
    }
    if (delivery?.failure !== undefined) {
      yield* this.#rollBack(draft);
      yield* waitFor(this.#vas.discard());
      // Also over the removed mappings: the undo may have cleared a stuck mapping there, which had kept the VA of an
      // earlier one in use.
      yield* waitFor(this.#vas.releaseUnused(yield* rangesOf([set.maps, change.removed])));
      throw mapFailure(delivery.failure, delivery, yield* this.#attachments.blockersOf(delivery.failure));
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

  *#rollBack(draft: Draft): Coroutine<void> {
    yield* draft.rollback();
    this.#view.abandon();
  }

  *#rollBackAndThrow(draft: Draft, error: unknown): Coroutine<never> {
    yield* this.#rollBack(draft);
    throw error;
  }

  /**
   * The error of private memory that cannot be made; it names the stuck mappings at its addresses, if these are the
   * cause.
   */
  *#withBlockers(error: unknown): Coroutine<unknown> {
    if (!(error instanceof DmaError)) {
      return error;
    }
    const failure = { error, target: error.target ?? '', range: error.range };
    const blockers = yield* this.#attachments.blockersOf(failure);
    return blockers.length === 0 ? error : mapFailure(failure, NO_AFTERMATH, blockers);
  }

  /**
   * Whether no target has to be called. The VAs of removed mappings are released all the same: earlier targets may have
   * needed them.
   */
  #needsNoDelivery({ unmaps, maps }: ManagedSet): boolean {
    return (unmaps.length === 0 && maps.length === 0) || this.#attachments.attached.length === 0;
  }

  /** The mappings that became stuck during the delivery and still are. */
  #stillStuck({ stuck }: Delivery): Coroutine<Delivery['stuck']> {
    return filterInSlices(stuck, (at) => this.#attachments.attached.some((handle) => handle.isStuck(at)));
  }
}

/** The aftermath of a command that failed before its delivery. */
const NO_AFTERMATH = { undone: EMPTY_LIST, missing: EMPTY_LIST, stuck: EMPTY_LIST };

function* rangesOf(lists: readonly (readonly MapChange[])[]): Coroutine<readonly MemoryRange[]> {
  return yield* mapInSlices(yield* joinInSlices(lists), ({ range }) => range);
}

function ignoreRejection(promise: PromiseLike<unknown>): void {
  promise.then(undefined, () => undefined);
}

/**
 * The work of a command between the steps of its delivery: releases VAs, and unmaps again what is stuck at the
 * addresses of its maps.
 */
class CommandHooks implements DeliveryHooks {
  readonly #set: ChangeSet;
  readonly #change: Difference;
  readonly #options: TransactionsOptions;

  constructor(set: ChangeSet, change: Difference, options: TransactionsOptions) {
    this.#set = set;
    this.#change = change;
    this.#options = options;
  }

  unmapped(): Coroutine<readonly MapChange[]> {
    return waitFor(this.#change.removed);
  }

  beforeMaps(): Coroutine<void> | undefined {
    const { attachments, vas } = this.#options;
    if (this.#set.maps.length > 0 && attachments.hasStuck) {
      return this.#clearStuckAndRelease();
    }
    const pending = vas.releaseFiles(this.#change.removed);
    return pending === undefined ? undefined : waitFor(pending);
  }

  *beforeRestore(): Coroutine<void> {
    yield* waitFor(this.#options.vas.releaseUnused(yield* mapInSlices(this.#set.maps, ({ range }) => range)));
  }

  *#clearStuckAndRelease(): Coroutine<void> {
    const { attachmentCommands, vas } = this.#options;
    yield* attachmentCommands.clearStuck(this.#set.maps, this.#set.generation);
    yield* waitFor(vas.releaseFiles(this.#change.removed));
  }
}
