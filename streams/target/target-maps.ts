import { UnsubscribedError } from './answers.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { withMaps } from '../changes/managed-set.js';
import { DmaError, withContext } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { DerivedAccount } from './derived-account.js';
import type { Ledger } from './ledger.js';
import { MapProgress } from './map-progress.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { SetResult } from '../changes/set-result.js';
import { filterInSlices } from '../ranges/slices.js';
import { ABORT_CODE } from '../util/abort.js';
import type { Coroutine } from '../util/coroutine.js';
import { inSlices } from '../util/sliced-work.js';
import type { Monitor } from './monitor.js';
import type { Answer, TargetCalls } from './target-calls.js';
import type { TargetUnmaps } from './target-unmaps.js';

/** Where a set stopped. */
export interface MapPause {
  readonly progress: MapProgress;
  readonly next: number;
  /** What the call for the next map came to; `undefined` when it has not been made. */
  readonly answer: Answer;
  /** Others are to have their turn before it. */
  readonly pause?: Promise<void>;
}

/**
 * The maps of one target. A forward set stops at the first RAM map that fails; an inverse set is served to its end, past failures. A device
 * map that fails is skipped.
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
   * Begins with the maps of a set, and makes the calls that answer at once and need no care. Returns where it stopped, for `resume`;
   * `undefined` when all is done.
   *
   * @param derived the account that is kept of the set instead of the list; not once a map has failed that ends it
   */
  begin(set: ChangeSet, derived: DerivedAccount | undefined): MapPause | undefined {
    const { target } = this.#calls;
    const progress = new MapProgress(this.#ledger, derived, set);
    const isPlain = set.undo !== true && target.checkMaps === undefined && this.monitor?.onBegin === undefined;
    return isPlain && (set.maps.length === 1 || target.mapDmaBatch === undefined)
      ? this.#mapAtOnce(set, 0, progress)
      : { progress, next: 0, answer: undefined };
  }

  /** Serves the rest. Returns what the set has mapped, in order, when a map failed that ends it. */
  *resume(stopped: MapPause, set: ChangeSet, result: SetResult): Coroutine<readonly MapChange[] | undefined> {
    const { progress, next, answer } = stopped;
    const { target } = this.#calls;
    const isNew = next === 0 && answer === undefined;
    const onBegin = isNew ? this.monitor?.onBegin : undefined;
    if (onBegin !== undefined) {
      onBegin(yield* pagesOfAll(set.maps));
    }
    if (isNew && target.checkMaps !== undefined && set.undo !== true && (yield* this.#isMisfit(set, result))) {
      return yield* progress.stop();
    }
    const wanted = set.undo ? withMaps(set, yield* this.#toRestore(set.maps)) : set;
    const failed = yield* target.mapDmaBatch !== undefined && wanted.maps.length > 1
      ? this.#mapTogether(wanted, result, progress)
      : this.#mapOneByOne(stopped, wanted, result);
    this.#calls.forget();
    return failed ? yield* progress.stop() : undefined;
  }

  /** Lets the target look at a forward set before its first map. Returns whether it finds that the set does not fit. */
  *#isMisfit({ maps }: ChangeSet, result: SetResult): Coroutine<boolean> {
    const misfit = yield* this.#calls.check(maps);
    if (misfit === undefined) {
      return false;
    }
    const { range: unfit } = misfit;
    const [row] = unfit === undefined ? [] : yield* filterInSlices(maps, ({ range }) => unfit.equals(range));
    result.error = misfit;
    result.failedAt =
      row === undefined ? undefined : { target: this.#calls.target.name, region: row.region, range: row.range };
    return true;
  }

  #mapAtOnce(set: ChangeSet, from: number, progress: MapProgress): MapPause | undefined {
    const { maps } = set;
    for (let next = from; next < maps.length; next++) {
      const change = maps[next] as MapChange;
      if (set.undo === true || this.#ledger.hasStuck || this.#obstacle(change) !== undefined) {
        return { progress, next, answer: undefined };
      }
      const answer = this.#calls.map(change);
      if (answer !== undefined) {
        return { progress, next, answer };
      }
      this.#noteMap(change, progress);
      const pause = pauseIfOver();
      if (pause !== undefined) {
        return { progress, next: next + 1, answer: undefined, pause };
      }
    }
    return undefined;
  }

  /** Returns whether a map failed that ends the set. */
  *#mapOneByOne(first: MapPause, set: ChangeSet, result: SetResult): Coroutine<boolean> {
    const { progress } = first;
    for (let stopped: MapPause | undefined = first; stopped !== undefined;) {
      const { next, answer, pause }: MapPause = stopped;
      const change = set.maps[next];
      if (pause !== undefined) {
        yield pause;
      }
      if (pause !== undefined || change === undefined) {
        stopped = this.#mapAtOnce(set, next, progress);
        continue;
      }
      const error = yield* answer === undefined ? this.#mapWithCare(change, set) : this.#calls.settled(answer, change);
      if (error === undefined) {
        this.#noteMap(change, progress);
      } else {
        countIfUnknown(error, progress, set.maps, next, next + 1);
        if (this.#noteFailure(change, error, set, result, progress)) {
          return true;
        }
      }
      const others = pauseIfOver();
      if (others !== undefined) {
        yield others;
      }
      stopped = this.#mapAtOnce(set, next + 1, progress);
    }
    return false;
  }

  /** Maps one that something may be in the way of. */
  *#mapWithCare(change: MapChange, set: ChangeSet): Coroutine<DmaError | undefined> {
    const error = this.#obstacle(change) ?? (this.#ledger.hasStuck ? yield* this.#clearStuck(change, set) : undefined);
    return error ?? (yield* this.#calls.settled(this.#calls.map(change), change));
  }

  /** As `#mapOneByOne`, handing over as many maps together as need no special care. */
  *#mapTogether(set: ChangeSet, result: SetResult, progress: MapProgress): Coroutine<boolean> {
    const { maps } = set;
    for (let next = 0; next < maps.length;) {
      const first = maps[next] as MapChange;
      let error = this.#obstacle(first);
      if (error === undefined && this.#ledger.hasStuck) {
        error = yield* this.#clearStuck(first, set);
      }
      if (error === undefined) {
        const endOfSlice = this.#endOfSlice(maps, next);
        const result = yield* this.#calls.mapTogether(maps, next, endOfSlice);
        for (const end = next + result.done; next < end; next++) {
          this.#noteMap(maps[next] as MapChange, progress);
        }
        error = result.error;
        countIfUnknown(error, progress, maps, next, endOfSlice);
      }
      if (error !== undefined) {
        if (this.#noteFailure(maps[next] as MapChange, error, set, result, progress)) {
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

  /** Where the maps end that can be handed over together with the first of them. */
  #endOfSlice(maps: readonly MapChange[], first: number): number {
    if (this.#ledger.hasStuck) {
      return first + 1; // Each one has to be looked at.
    }
    const end = first + this.#calls.together(maps, first);
    let last = first + 1;
    while (last < end && this.#obstacle(maps[last] as MapChange) === undefined) {
      last += 1;
    }
    return last;
  }

  /** What an inverse set has to map: what was taken, or is missing, and is not still there because its unmap had failed. */
  #toRestore(maps: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    return filterInSlices(maps, (change) => this.#ledger.mustRestore(change) && !this.#ledger.restoreStuck(change));
  }

  #noteMap(change: MapChange, progress: MapProgress): void {
    progress.add(change);
    this.monitor?.onServed?.(pagesOf(change.range));
  }

  /** Returns whether the failure ends the set. */
  #noteFailure(change: MapChange, error: DmaError, set: ChangeSet, result: SetResult, progress: MapProgress): boolean {
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

  /** Tries again what is stuck where a map is to go; not twice for one command. */
  *#clearStuck(change: MapChange, set: ChangeSet): Coroutine<DmaError | undefined> {
    for (const { range, mapping, triedAgainIn } of this.#ledger.stuckOver(change.range)) {
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
        hint: 'cure what made the unmap fail, then call retryStuck() of the attachment',
        ...(cause === undefined ? {} : { cause }),
      });
    }
    return undefined;
  }

  get #isAborted(): boolean {
    return this.monitor?.signal?.aborted === true;
  }

  /** Why the target need not even be asked. */
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

/** Maps of which nobody knows whether they took effect count as made: the undo of the set unmaps them, to make sure. */
function countIfUnknown(
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

function* pagesOfAll(maps: readonly MapChange[]): Coroutine<number> {
  let pages = 0;
  yield* inSlices(maps.length, (from, to) => {
    for (let index = from; index < to; index++) {
      pages += pagesOf((maps[index] as MapChange).range);
    }
  });
  return pages;
}

function pagesOf({ startPage, endPage }: MemoryRange): number {
  return endPage - startPage;
}
