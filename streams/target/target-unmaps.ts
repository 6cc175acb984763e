import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { ManagedSet } from '../changes/managed-set.js';
import type { DmaError } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { DerivedAccount } from './derived-account.js';
import type { Ledger } from './ledger.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { SetResult } from '../changes/set-result.js';
import { eachInSlices, joinInSlices, mapInSlices } from '../ranges/slices.js';
import { runAtOnce, type Coroutine } from '../util/coroutine.js';
import type { Answer, TargetCalls } from './target-calls.js';
import { callOf, mappingCount, stillHeldAfter, unmapsOfItems, type UnmapCall, type UnmapItem } from './unmap-calls.js';

/** A call that failed, and the items after it. */
interface FailedUnmap {
  readonly item: UnmapItem;
  readonly error: DmaError;
  readonly rest: readonly UnmapItem[];
}

/**
 * The place where a set waits: after a call that was not answered within the call, or failed; or at a pause of the
 * event loop.
 */
export interface UnmapPause {
  readonly items: readonly UnmapItem[];
  readonly next: number;
  readonly answer: Answer;
}

/** Most unmaps whose calls are listed without a look at the clock. */
const UNMAPS_AT_ONCE_MAX = 256;

/** Stands for the items of a longer set, which `resume` lists. */
const ITEMS_NOT_LISTED: readonly UnmapItem[] = [];

/** Serves the unmaps of one target, to the end, past failures. A failed unmap leaves its mappings stuck. */
export class TargetUnmaps {
  readonly #calls: TargetCalls;
  readonly #ledger: Ledger;

  constructor(calls: TargetCalls, ledger: Ledger) {
    this.#calls = calls;
    this.#ledger = ledger;
  }

  *serve(set: ChangeSet, result: SetResult): Coroutine<void> {
    yield* this.#serveListed(set.unmaps, set, result);
  }

  /**
   * Begins with a set that has a derived account, and makes calls as long as they succeed within the call.
   *
   * @returns the place for `resume`; `undefined` when the set has been served
   */
  begin(set: ManagedSet, derived: DerivedAccount): UnmapPause | undefined {
    if (set.unmaps.length > UNMAPS_AT_ONCE_MAX) {
      return { items: ITEMS_NOT_LISTED, next: 0, answer: undefined };
    }
    const items = runAtOnce(this.#itemsOf(set));
    return this.#target.unmapDmaBatch === undefined || items.length === 1
      ? this.#unmapAtOnce(items, 0, derived)
      : { items, next: 0, answer: undefined };
  }

  /** Serves the rest of such a set. After a failure the ledger lists what is held. */
  *resume(pause: UnmapPause, set: ManagedSet, derived: DerivedAccount, result: SetResult): Coroutine<void> {
    const isUnlisted = pause.items === ITEMS_NOT_LISTED;
    const items = isUnlisted ? yield* this.#itemsOf(set) : pause.items;
    const failedUnmap = yield* this.#target.unmapDmaBatch === undefined || items.length === 1
      ? this.#unmapOneByOneDerived(isUnlisted ? this.#unmapAtOnce(items, 0, derived) : pause, derived)
      : this.#unmapBatchesDerived(items, derived);
    if (failedUnmap !== undefined) {
      const { item, error, rest } = failedUnmap;
      yield* this.#ledger.materialize();
      yield* this.#recordUnmap(callOf(item), error, set, result);
      yield* this.#serveListed(yield* unmapsOfItems(rest), set, result);
    }
  }

  /** Unmaps each of these ranges, past failures, in batches if the target takes batches. Reports each, in order. */
  *unmapEach<T extends { readonly range: MemoryRange }>(
    items: readonly T[],
    report: (item: T, error: DmaError | undefined) => Coroutine<void> | undefined,
  ): Coroutine<void> {
    for (let next = 0; next < items.length;) {
      const count = this.#target.unmapDmaBatch === undefined ? 1 : this.#calls.batchLength(items, next);
      const { done, error } = yield* this.#calls.unmapBatch(items.slice(next, next + count));
      const end = next + done + (error === undefined ? 0 : 1);
      for (const failed = next + done; next < end; next++) {
        const reporting = report(items[next] as T, next === failed ? error : undefined);
        if (reporting !== undefined) {
          yield* reporting;
        }
        const pause = pauseIfOver();
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
  }

  /** Unmaps one stuck mapping again. Returns the error if it is still stuck. */
  *unmapStuck(mapping: MapChange, generation: number): Coroutine<DmaError | undefined> {
    const error = yield* this.#calls.errorOf(this.#calls.unmap(mapping.range), { range: mapping.range });
    if (error === undefined) {
      this.#ledger.stuck.remove(mapping.range);
    } else {
      this.#ledger.stuck.addAgain(mapping, generation);
    }
    return error;
  }

  get #target(): TargetCalls['target'] {
    return this.#calls.target;
  }

  *#serveListed(unmaps: readonly UnmapChange[], set: ChangeSet, result: SetResult): Coroutine<void> {
    yield* this.#target.unmapDmaBatch !== undefined && unmaps.length > 1
      ? this.#unmapBatches(unmaps, set, result)
      : this.#unmapOneByOne(unmaps, set, result);
  }

  *#unmapOneByOne(unmaps: readonly UnmapChange[], set: ChangeSet, result: SetResult): Coroutine<void> {
    for (const unmap of unmaps) {
      for (const call of yield* this.#callsOf(unmap, set)) {
        const answer = this.#calls.unmap(call.range);
        const error = answer === undefined ? undefined : yield* this.#calls.errorOf(answer, call);
        yield* this.#recordUnmap(call, error, set, result);
      }
    }
  }

  *#unmapBatches(unmaps: readonly UnmapChange[], set: ChangeSet, result: SetResult): Coroutine<void> {
    const calls: (readonly UnmapCall[])[] = [];
    for (const unmap of unmaps) {
      calls.push(yield* this.#callsOf(unmap, set));
    }
    yield* this.unmapEach(yield* joinInSlices(calls), (call, error) => this.#recordUnmap(call, error, set, result));
  }

  /** The calls that unmap what the target holds of the mappings in `covers`. Removes these from the ledger. */
  *#callsOf(unmap: UnmapChange, set: ChangeSet): Coroutine<readonly UnmapCall[]> {
    const held: MapChange[] = [];
    yield* eachInSlices(unmap.covers, (range) => {
      const taken = this.#ledger.takeForUnmap(range, set);
      if (taken !== undefined) {
        held.push(taken);
      }
    });
    if (held.length === 0) {
      return [];
    }
    // One call over the whole range would also unmap, or cut, what is stuck in it.
    const whole = this.#target.unmapShape !== 'exact' && !this.#ledger.stuck.overlaps(unmap.range);
    return whole
      ? [{ range: unmap.range, ends: held }]
      : yield* mapInSlices(held, (change) => ({ range: change.range, ends: [change] }));
  }

  /** Records the answer to a call for each of its mappings. */
  *#recordUnmap({ ends }: UnmapCall, error: DmaError | undefined, set: ChangeSet, result: SetResult): Coroutine<void> {
    result.error ??= error;
    const isStillHeld = error === undefined ? undefined : yield* stillHeldAfter(error, ends.length);
    yield* eachInSlices(ends, (change) => {
      const at = { target: this.#target.name, range: change.range };
      if (isStillHeld?.(change) === true) {
        this.#ledger.stuck.add(change, set.generation);
        result.add('stuck', at);
        return;
      }
      this.#ledger.stuck.endRetry(change.range);
      if (set.undo) {
        result.add('undone', at);
      }
    });
  }

  /** Makes calls as long as they succeed within the call. */
  #unmapAtOnce(items: readonly UnmapItem[], from: number, derived: DerivedAccount): UnmapPause | undefined {
    for (let next = from; next < items.length; next++) {
      const item = items[next] as UnmapItem;
      derived.unmapped += mappingCount(item);
      const answer = this.#calls.unmap(item.range);
      if (answer !== undefined) {
        return { items, next, answer };
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        return { items, next, answer: pause };
      }
    }
    return undefined;
  }

  /** One call after another, until one fails. */
  *#unmapOneByOneDerived(first: UnmapPause | undefined, derived: DerivedAccount): Coroutine<FailedUnmap | undefined> {
    for (let paused = first; paused !== undefined;) {
      const { items, next, answer }: UnmapPause = paused;
      const item = items[next] as UnmapItem;
      const error: DmaError | undefined = yield* this.#calls.errorOf(answer, { range: item.range });
      if (error !== undefined) {
        return { item, error, rest: items.slice(next + 1) };
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
      paused = this.#unmapAtOnce(items, next + 1, derived);
    }
    return undefined;
  }

  /** As `#unmapOneByOneDerived`, in batches. */
  *#unmapBatchesDerived(items: readonly UnmapItem[], derived: DerivedAccount): Coroutine<FailedUnmap | undefined> {
    for (let next = 0; next < items.length;) {
      const count = this.#calls.batchLength(items, next);
      const slice = count === items.length ? items : items.slice(next, next + count);
      const { done, error } = yield* this.#calls.unmapBatch(slice);
      const end = next + done + (error === undefined ? 0 : 1);
      for (; next < end; next++) {
        derived.unmapped += mappingCount(items[next] as UnmapItem);
      }
      if (error !== undefined) {
        return { item: items[end - 1] as UnmapItem, error, rest: items.slice(end) };
      }
      const pause = next < items.length ? pauseIfOver(LONG_STEP) : undefined;
      if (pause !== undefined) {
        yield pause;
      }
    }
    return undefined;
  }

  /** The calls that unmap what a set removes, in order. */
  *#itemsOf(set: ManagedSet): Coroutine<readonly UnmapItem[]> {
    const removed = ManagedSet.detailsOf(set)?.removed ?? [];
    if (this.#target.unmapShape === 'exact') {
      return removed;
    }
    let next = 0;
    return yield* mapInSlices(set.unmaps, ({ range, covers }): UnmapItem => {
      const first = next;
      next += covers.length;
      return covers.length === 1 && covers[0] === range
        ? (removed[first] as MapChange)
        : { range, ends: removed.slice(first, next) };
    });
  }
}
