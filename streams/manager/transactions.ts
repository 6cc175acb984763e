import type { AttachmentCommands } from '../attachments/attachment-commands.js';
import type { Attachments } from '../attachments/attachments.js';
import { warnOfPieces } from '../attachments/piece-warnings.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { mapFailure, unmapFailure } from '../branches/command-errors.js';
import type { Delivery } from '../branches/delivery-result.js';
import type { DeliveryHooks } from '../branches/receiver.js';
import { copiesOf } from '../changes/copies.js';
import { ManagedSet } from '../changes/managed-set.js';
import { deliver } from '../branches/delivery.js';
import { difference, simpleDifference } from '../view/difference.js';
import { checkPrivateCover } from '../view/private-cover.js';
import type { Difference } from '../view/removals.js';
import { Draft, type RegionContext } from '../regions/draft.js';
import type { RegionList } from '../regions/region-list.js';
import type { RegionTable } from '../regions/region-table.js';
import type { RegionCommandEdit } from '../regions/region-handle.js';
import { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { RegionEdit } from '../contracts/region.js';
import { filterInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import { EMPTY_LIST } from '../util/lists.js';
import { checkFunction } from '../util/checks.js';
import type { SerialQueue } from '../util/serial-queue.js';
import { type Coroutine, isPromiseLike, run as runCoroutine, waitFor } from '../util/coroutine.js';
import type { VaOwner } from '../host-addresses/va-owner.js';
import type { View } from '../view/view.js';
import type { ManagerStreams } from './manager-streams.js';

/** What transactions read and change. */
interface TransactionsOptions {
  readonly queue: SerialQueue;
  readonly table: RegionTable;
  readonly regions: RegionList;
  readonly view: View;
  readonly vas: VaOwner;
  readonly hasMapper: boolean;
  readonly attachments: Attachments;
  readonly attachmentCommands: AttachmentCommands;
  readonly streams: ManagerStreams;
  readonly warn: (warning: DmaError) => void;
}

/** Runs transactions, one at a time: their edits, the delivery to the targets, and the commit or the rollback. */
export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #context: RegionContext;
  readonly #view: View;
  /** `undefined` without a mapper: then there are no host addresses and no private memory. */
  readonly #vas: VaOwner | undefined;
  readonly #attachments: Attachments;
  readonly #attachmentCommands: AttachmentCommands;
  readonly #warn: (warning: DmaError) => void;
  readonly #streams: ManagerStreams;

  constructor(options: TransactionsOptions) {
    const { queue, table, vas, attachments } = options;
    this.#options = options;
    this.#view = options.view;
    this.#vas = options.hasMapper ? vas : undefined;
    this.#attachments = attachments;
    this.#attachmentCommands = options.attachmentCommands;
    this.#warn = options.warn;
    this.#streams = options.streams;
    let sequence = 0;
    this.#context = {
      table,
      privates: vas.privates,
      transact: (work) => queue.run(() => this.#runEdit(work)),
      checkPrivate: (region, range) => {
        vas.checkMapper(region, range);
        attachments.checkPrivate(region, range);
      },
      nextSequence: () => sequence++,
      activeMappings: (state) => copiesOf(this.#view.of(state)),
      mapped: (state) => this.#view.paramsOf(state),
    };
  }

  /** Runs `RegionManager.transaction`. */
  run<T>(work: (edit: RegionEdit) => T): T | Promise<T> {
    const draft = new Draft(this.#context);
    this.#view.begin(draft.steps);
    let value: T;
    try {
      // The check reads the source of a function, to tell classes: not for each command.
      if (typeof work !== 'function') {
        checkFunction(work, 'the work of a transaction');
      }
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
  #runEdit(work: (edit: RegionCommandEdit) => Coroutine<void> | undefined): void | Promise<void> {
    const draft = new Draft(this.#context);
    this.#view.begin(draft.steps);
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
    const vas = this.#vas;
    const generation = this.#view.generation + 1;
    let change: Difference;
    try {
      change = simpleDifference(draft.steps) ?? (yield* difference(this.#context.table, draft.steps));
      if (vas?.hasPrivates === true || privates !== undefined) {
        change = yield* this.#makePrivates(draft, change, generation);
      }
    } catch (error) {
      yield* this.#attachments.endSets() ?? EMPTY_LIST;
      return yield* this.#rollBackAndThrow(draft, yield* this.#withBlockers(error));
    }
    const { unmaps, maps, removed } = change;
    const set = new ManagedSet({ active: this.#view, removed, addressOf: undefined }, generation, unmaps, maps);
    const { attached } = this.#attachments;
    let delivery: Delivery | undefined;
    if ((unmaps.length > 0 || maps.length > 0) && attached.length > 0) {
      delivery = yield* deliver(set, attached, new CommandHooks(set, removed, this.#options, vas));
    }
    // Also without a delivery: what was stuck may have been unmapped again.
    const ending = this.#attachments.endSets();
    if (ending !== undefined) {
      yield* ending;
    }
    if (delivery !== undefined) {
      for (const skipped of delivery.skipped) {
        this.#warn(skipped);
      }
      if (delivery.failure !== undefined) {
        yield* this.#rollBack(draft);
        yield* waitFor(vas?.discard());
        // Also over the removed mappings: the undo may have cleared a stuck mapping there, which had kept the VA of an
        // earlier one in use.
        yield* waitFor(vas?.releaseUnused(yield* rangesOf([maps, removed])));
        throw this.#streams.failed(
          set,
          mapFailure(delivery.failure, delivery, yield* this.#attachments.blockersOf(delivery.failure)),
        );
      }
    } else if (vas !== undefined) {
      // No target is attached, but earlier ones may have needed the VAs.
      yield* waitFor(vas.releaseFiles(removed));
    }
    const applying = this.#view.apply(change);
    if (applying !== undefined) {
      yield* applying;
    }
    if (draft.changesRegions) {
      yield* this.#options.regions.apply(draft.steps.list);
    }
    const { granular } = draft;
    if (granular !== undefined) {
      warnOfPieces(
        granular,
        this.#attachments.attached.flatMap(({ ports }) => ports),
        this.#warn,
      );
    }
    const pending = privates === undefined || vas === undefined ? undefined : yield* vas.commit(privates);
    if (this.#streams.observerCount > 0) {
      yield* this.#streams.publish(draft, set);
    }
    if (pending !== undefined) {
      yield pending;
    }
    if (this.#attachments.hasGone) {
      yield* this.#attachmentCommands.endGone();
    }
    if (delivery !== undefined && delivery.stuck.length > 0) {
      const stuck = yield* this.#stillStuck(delivery);
      if (stuck.length > 0) {
        throw this.#streams.failed(set, unmapFailure(delivery.unmapError, stuck));
      }
    }
  }

  /** Makes the private memory that a transaction adds. Returns the change with its host addresses. */
  *#makePrivates(draft: Draft, change: Difference, generation: number): Coroutine<Difference> {
    const { privates } = draft;
    const { vas } = this.#options;
    yield* checkPrivateCover(this.#context.table, draft.steps, privates ?? vas.privates, change);
    yield* this.#view.prepareLookups();
    yield* vas.check(privates, change);
    if (privates !== undefined) {
      if (this.#attachments.hasStuck) {
        yield* this.#attachmentCommands.clearStuck(privates.added, generation);
      }
      yield* vas.make(privates);
    }
    return vas.hasPrivates ? { ...change, maps: yield* vas.withVas(change.maps) } : change;
  }

  *#rollBack(draft: Draft): Coroutine<void> {
    yield* draft.rollback();
    this.#view.abandon();
    yield* this.#attachmentCommands.endGone();
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
  readonly #removed: readonly MapChange[];
  readonly #options: TransactionsOptions;
  readonly #vas: VaOwner | undefined;

  constructor(set: ChangeSet, removed: readonly MapChange[], options: TransactionsOptions, vas: VaOwner | undefined) {
    this.#set = set;
    this.#removed = removed;
    this.#options = options;
    this.#vas = vas;
  }

  unmapped(): Coroutine<readonly MapChange[]> {
    return waitFor(this.#removed);
  }

  beforeMaps(): Coroutine<void> | undefined {
    if (this.#set.maps.length > 0 && this.#options.attachments.hasStuck) {
      return this.#clearStuckAndRelease();
    }
    const pending = this.#vas?.releaseFiles(this.#removed);
    return pending === undefined ? undefined : waitFor(pending);
  }

  *beforeRestore(): Coroutine<void> {
    yield* waitFor(this.#vas?.releaseUnused(yield* mapInSlices(this.#set.maps, ({ range }) => range)));
  }

  *#clearStuckAndRelease(): Coroutine<void> {
    yield* this.#options.attachmentCommands.clearStuck(this.#set.maps, this.#set.generation);
    yield* waitFor(this.#vas?.releaseFiles(this.#removed));
  }
}
