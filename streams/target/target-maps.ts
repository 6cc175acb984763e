import { UnsubscribedError } from './answers.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { withMaps } from '../changes/managed-set.js';
import { DmaError, withContext } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { DerivedAccount } from './derived-account.js';
import type { Ledger } from './ledger.js';
import { MapProgress } from './map-progress.js';
import type { SetResult } from '../changes/set-result.js';
import { filterInSlices } from '../ranges/slices.js';
import { ABORT_CODE } from '../util/abort.js';
import type { Coroutine } from '../util/coroutine.js';
import { pagesOf, pagesOfAll, type Monitor } from './monitor.js';
import type { Answer, TargetCalls } from './target-calls.js';
import type { TargetUnmaps } from './target-unmaps.js';

/** The place where the maps of a set wait. */
export interface MapPause {
  readonly progress: MapProgress;
  readonly next: number;
  /** The answer to the call for the next map; `undefined` when the call has not been made. */
  readonly answer: Answer;
  /** A pause of the event loop before the next map. */
  readonly pause?: Promise<void>;
}

/**
 * Serves the maps of one target. The first failed map of RAM stops a forward set; an inverse set is served to its end,
 * past failures. A failed map of device memory is skipped in a forward set.
 */
export class TargetMaps {
  monitor: Monitor | undefined = undefined;
  readonly #calls: TargetCalls;
  readonly #ledger: Ledger;
  readonly #unmaps: TargetUnmaps;

  constructor(calls: TargetCalls, ledger: Ledger, unmaps: TargetUnmaps) {
    this.#calls = calls;
    this.#ledger = ledger;
    this.#unmaps = unmaps;
  }

  /**
   * Begins with the maps of a set, and makes calls as long as nothing prevents them and they succeed within the call.
   *
   * @param derived the derived account of the set, if the ledger keeps one
   * @returns the place for `resume`; `undefined` when the set has been served
   */
  begin(set: ChangeSet, derived: DerivedAccount | undefined): MapPause | undefined {
    const { target } = this.#calls;
    const progress = new MapProgress(this.#ledger, derived, set);
    const isPlain = set.undo !== true && target.checkMaps === undefined && this.monitor?.onBegin === undefined;
    return isPlain && (set.maps.length === 1 || target.mapDmaBatch === undefined)
      ? this.#mapAtOnce(set, 0, progress)
      : { progress, next: 0, answer: undefined };
  }

  /** Serves the rest of a set. When a failed map has stopped the set, returns what it has mapped, in order. */
  *resume(paused: MapPause, set: ChangeSet, result: SetResult): Coroutine<readonly MapChange[] | undefined> {
    const { progress, next, answer } = paused;
    const { target } = this.#calls;
    const isNew = next === 0 && answer === undefined;
    const onBegin = isNew ? this.monitor?.onBegin : undefined;
    if (onBegin !== undefined) {
      onBegin(yield* pagesOfAll(set.maps));
    }
    if (isNew && target.checkMaps !== undefined && set.undo !== true && (yield* this.#isRejected(set, result))) {
      return yield* progress.materialize();
    }
    const rest = set.undo ? withMaps(set, yield* this.#toRestore(set.maps)) : set;
    const failed = yield* target.mapDmaBatch !== undefined && rest.maps.length > 1
      ? this.#mapBatches(rest, result, progress)
      : this.#mapOneByOne(paused, rest, result);
    this.#calls.dropRequests();
    return failed ? yield* progress.materialize() : undefined;
  }

  /**
   * Calls `checkMaps` of the target before the first map of a forward set. Returns whether the target rejects the set.
   */
  *#isRejected({ maps }: ChangeSet, result: SetResult): Coroutine<boolean> {
    const rejection = yield* this.#calls.check(maps);
    if (rejection === undefined) {
      return false;
    }
    const { range: rejected } = rejection;
    const [row] = rejected === undefined ? [] : yield* filterInSlices(maps, ({ range }) => rejected.equals(range));
    result.error = rejection;
    result.failedAt =
      row === undefined ? undefined : { target: this.#calls.target.name, region: row.region, range: row.range };
    return true;
  }

  /** Makes calls as long as nothing prevents them and they succeed within the call. */
  #mapAtOnce(set: ChangeSet, from: number, progress: MapProgress): MapPause | undefined {
    const { maps } = set;
    for (let next = from; next < maps.length; next++) {
      const change = maps[next] as MapChange;
      if (set.undo === true || this.#ledger.stuck.size > 0 || this.#obstacle(change) !== undefined) {
        return { progress, next, answer: undefined };
      }
      const answer = this.#calls.map(change);
      if (answer !== undefined) {
        return { progress, next, answer };
      }
      this.#recordMap(change, progress);
      const pause = pauseIfOver();
      if (pause !== undefined) {
        return { progress, next: next + 1, answer: undefined, pause };
      }
    }
    return undefined;
  }

  /** Returns whether a failed map has stopped the set. */
  *#mapOneByOne(first: MapPause, set: ChangeSet, result: SetResult): Coroutine<boolean> {
    const { progress } = first;
    for (let paused: MapPause | undefined = first; paused !== undefined;) {
      const { next, answer, pause }: MapPause = paused;
      const change = set.maps[next];
      if (pause !== undefined) {
        yield pause;
      }
      if (pause !== undefined || change === undefined) {
        paused = this.#mapAtOnce(set, next, progress);
        continue;
      }
      const error = yield* answer === undefined
        ? this.#mapAfterChecks(change, set)
        : this.#calls.errorOf(answer, change);
      if (error === undefined) {
        this.#recordMap(change, progress);
      } else {
        addIfUnknown(error, progress, set.maps, next, next + 1);
        if (this.#recordFailure(change, error, set, result, progress)) {
          return true;
        }
      }
      const others = pauseIfOver();
      if (others !== undefined) {
        yield others;
      }
      paused = this.#mapAtOnce(set, next + 1, progress);
    }
    return false;
  }

  /** Makes one map, after it has looked for an obstacle and unmapped again what is stuck at its addresses. */
  *#mapAfterChecks(change: MapChange, set: ChangeSet): Coroutine<DmaError | undefined> {
    const error =
      this.#obstacle(change) ?? (this.#ledger.stuck.size > 0 ? yield* this.#clearStuck(change, set) : undefined);
    return error ?? (yield* this.#calls.errorOf(this.#calls.map(change), change));
  }

  /** As `#mapOneByOne`, in batches of maps without an obstacle. */
  *#mapBatches(set: ChangeSet, result: SetResult, progress: MapProgress): Coroutine<boolean> {
    const { maps } = set;
    for (let next = 0; next < maps.length;) {
      const first = maps[next] as MapChange;
      let error = this.#obstacle(first);
      if (error === undefined && this.#ledger.stuck.size > 0) {
        error = yield* this.#clearStuck(first, set);
      }
      if (error === undefined) {
        const endOfBatch = this.#endOfBatch(maps, next);
        const result = yield* this.#calls.mapBatch(maps, next, endOfBatch);
        for (const end = next + result.done; next < end; next++) {
          this.#recordMap(maps[next] as MapChange, progress);
        }
        error = result.error;
        addIfUnknown(error, progress, maps, next, endOfBatch);
      }
      if (error !== undefined) {
        if (this.#recordFailure(maps[next] as MapChange, error, set, result, progress)) {
          return true;
        }
        next += 1;
      }
      const pause = next < maps.length ? pauseIfOver(LONG_STEP) : undefined;
      if (pause !== undefined) {
        yield pause;
      }
    }
    return false;
  }

  /** The end of the batch that begins with the map at `first`. */
  #endOfBatch(maps: readonly MapChange[], first: number): number {
    if (this.#ledger.stuck.size > 0) {
      return first + 1; // Each map needs a look at what is stuck at its addresses.
    }
    const end = first + this.#calls.batchLength(maps, first);
    let last = first + 1;
    while (last < end && this.#obstacle(maps[last] as MapChange) === undefined) {
      last += 1;
    }
    return last;
  }

  /**
   * The maps that an inverse set has to make: what was unmapped, or is missing, and is not stuck, which counts as
   * restored.
   */
  #toRestore(maps: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    return filterInSlices(maps, (change) => this.#ledger.mustRestore(change) && !this.#ledger.restoreStuck(change));
  }

  #recordMap(change: MapChange, progress: MapProgress): void {
    progress.add(change);
    this.monitor?.onServed?.(pagesOf(change.range));
  }

  /** Records a failed map. Returns whether it stops the set. */
  #recordFailure(
    change: MapChange,
    error: DmaError,
    set: ChangeSet,
    result: SetResult,
    progress: MapProgress,
  ): boolean {
    if (set.undo) {
      result.error ??= error;
      result.add('missing', { target: this.#calls.target.name, range: change.range });
      this.#ledger.markMissing(change);
      return false;
    }
    if (change.type === 'device' && !this.#isAborted) {
      progress.skip(change);
      result.skip(withContext(error, { target: this.#calls.target.name, region: change.region, range: change.range }));
      this.monitor?.onServed?.(pagesOf(change.range));
      return false;
    }
    result.error = error;
    result.failedAt = { target: this.#calls.target.name, region: change.region, range: change.range };
    return true;
  }

  /**
   * Unmaps again what is stuck at the addresses of a map, once for each command. Returns an error if something still
   * is.
   */
  *#clearStuck(change: MapChange, set: ChangeSet): Coroutine<DmaError | undefined> {
    for (const { range, mapping, triedAgainIn } of this.#ledger.stuck.overlapping(change.range)) {
      let cause: DmaError | undefined;
      if (triedAgainIn !== set.generation || set.undo === true) {
        cause = yield* this.#unmaps.unmapStuck(mapping, set.generation);
        if (cause === undefined) {
          continue;
        }
      }
      return new DmaError(`${range.toString()} is still mapped, because its unmap failed`, {
        code: 'ERR_RANGE_STUCK',
        target: this.#calls.target.name,
        region: change.region,
        range: change.range,
        hint: 'fix the cause of the failed unmap, then call retryStuck() of the attachment',
        ...(cause === undefined ? {} : { cause }),
      });
    }
    return undefined;
  }

  get #isAborted(): boolean {
    return this.monitor?.signal?.aborted === true;
  }

  /** The reason why the target is not called for a map, if there is one. */
  #obstacle(change: MapChange): DmaError | undefined {
    if (this.#isAborted) {
      return new DmaError('the attach was aborted', {
        code: ABORT_CODE,
        target: this.#calls.target.name,
        range: change.range,
        cause: this.monitor?.signal?.reason,
      });
    }
    return this.#calls.obstacle(change);
  }
}

/** Counts maps as made when it is not known whether they took effect: the undo of the set then unmaps them. */
function addIfUnknown(
  error: DmaError | undefined,
  progress: MapProgress,
  maps: readonly MapChange[],
  from: number,
  to: number,
): void {
  if (error instanceof UnsubscribedError) {
    for (let index = from; index < to; index++) {
      progress.add(maps[index] as MapChange);
    }
  }
}
