import { UnsubscribedError } from './answers.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { withMaps } from '../changes/managed-set.js';
import { DmaError, withContext } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { Following } from './derived-account.js';
import type { Ledger } from './ledger.js';
import { MapProgress } from './map-progress.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { Report } from '../changes/set-report.js';
import { filterInSlices } from '../ranges/slices.js';
import { ABORTED } from '../util/abort.js';
import type { Steps } from '../util/coroutine.js';
import { inSlices } from '../util/sliced-work.js';
import type { Monitor } from './monitor.js';
import type { Answer, TargetCalls } from './target-calls.js';
import type { TargetUnmaps } from './target-unmaps.js';

/** Where a set came to a halt. */
export interface MapHalt {
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
   * Begins with the maps of a set, and makes the calls that answer at once and need no care. Returns where it came to a halt, for `goOn`;
   * `undefined` when all is done.
   *
   * @param following the account that is kept of the set instead of the list; not once a map has failed that ends it
   */
  begin(set: ChangeSet, following: Following | undefined): MapHalt | undefined {
    const { target } = this.#calls;
    const progress = new MapProgress(this.#ledger, following, set);
    const isPlain = set.undo !== true && target.checkMaps === undefined && this.monitor?.onBegin === undefined;
    return isPlain && (set.maps.length === 1 || target.mapDmaBatch === undefined)
      ? this.#mapAtOnce(set, 0, progress)
      : { progress, next: 0, answer: undefined };
  }

  /** Serves the rest. Returns what the set has mapped, in order, when a map failed that ends it. */
  *goOn(halt: MapHalt, set: ChangeSet, report: Report): Steps<readonly MapChange[] | undefined> {
    const { progress, next, answer } = halt;
    const { target } = this.#calls;
    const isNew = next === 0 && answer === undefined;
    const onBegin = isNew ? this.monitor?.onBegin : undefined;
    if (onBegin !== undefined) {
      onBegin(yield* pagesOfAll(set.maps));
    }
    if (isNew && target.checkMaps !== undefined && set.undo !== true && (yield* this.#isMisfit(set, report))) {
      return yield* progress.stop();
    }
    const wanted = set.undo ? withMaps(set, yield* this.#toRestore(set.maps)) : set;
    const failed = yield* target.mapDmaBatch !== undefined && wanted.maps.length > 1
      ? this.#mapTogether(wanted, report, progress)
      : this.#mapOneByOne(halt, wanted, report);
    this.#calls.forget();
    return failed ? yield* progress.stop() : undefined;
  }

  /** Lets the target look at a forward set before its first map. Returns whether it finds that the set does not fit. */
  *#isMisfit({ maps }: ChangeSet, report: Report): Steps<boolean> {
    const misfit = yield* this.#calls.check(maps);
    if (misfit === undefined) {
      return false;
    }
    const { range: unfit } = misfit;
    const [row] = unfit === undefined ? [] : yield* filterInSlices(maps, ({ range }) => unfit.equals(range));
    report.error = misfit;
    report.failedAt =
      row === undefined ? undefined : { target: this.#calls.target.name, region: row.region, range: row.range };
    return true;
  }

  #mapAtOnce(set: ChangeSet, from: number, progress: MapProgress): MapHalt | undefined {
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
  *#mapOneByOne(first: MapHalt, set: ChangeSet, report: Report): Steps<boolean> {
    const { progress } = first;
    for (let halt: MapHalt | undefined = first; halt !== undefined;) {
      const { next, answer, pause }: MapHalt = halt;
      const change = set.maps[next];
      if (pause !== undefined) {
        yield pause;
      }
      if (pause !== undefined || change === undefined) {
        halt = this.#mapAtOnce(set, next, progress);
        continue;
      }
      const error = yield* answer === undefined ? this.#mapWithCare(change, set) : this.#calls.settled(answer, change);
      if (error === undefined) {
        this.#noteMap(change, progress);
      } else {
        countIfUnknown(error, progress, set.maps, next, next + 1);
        if (this.#noteFailure(change, error, set, report, progress)) {
          return true;
        }
      }
      const others = pauseIfOver();
      if (others !== undefined) {
        yield others;
      }
      halt = this.#mapAtOnce(set, next + 1, progress);
    }
    return false;
  }

  /** Maps one that something may be in the way of. */
  *#mapWithCare(change: MapChange, set: ChangeSet): Steps<DmaError | undefined> {
    const error = this.#obstacle(change) ?? (this.#ledger.hasStuck ? yield* this.#clearStuck(change, set) : undefined);
    return error ?? (yield* this.#calls.settled(this.#calls.map(change), change));
  }

  /** As `#mapOneByOne`, handing over as many maps together as need no special care. */
  *#mapTogether(set: ChangeSet, report: Report, progress: MapProgress): Steps<boolean> {
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
        if (this.#noteFailure(maps[next] as MapChange, error, set, report, progress)) {
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
  #toRestore(maps: readonly MapChange[]): Steps<readonly MapChange[]> {
    return filterInSlices(maps, (change) => this.#ledger.wants(change) && !this.#ledger.unstick(change));
  }

  #noteMap(change: MapChange, progress: MapProgress): void {
    progress.add(change);
    this.monitor?.onServed?.(pagesOf(change.range));
  }

  /** Returns whether the failure ends the set. */
  #noteFailure(change: MapChange, error: DmaError, set: ChangeSet, report: Report, progress: MapProgress): boolean {
    if (set.undo) {
      report.error ??= error;
      report.add('missing', { target: this.#calls.target.name, range: change.range });
      this.#ledger.miss(change);
      return false;
    }
    if (change.type === 'device' && !this.#isAborted) {
      progress.skip(change);
      report.skip(withContext(error, { target: this.#calls.target.name, region: change.region, range: change.range }));
      this.monitor?.onServed?.(pagesOf(change.range));
      return false;
    }
    report.error = error;
    report.failedAt = { target: this.#calls.target.name, region: change.region, range: change.range };
    return true;
  }

  /** Tries again what is stuck where a map is to go; not twice for one command. */
  *#clearStuck(change: MapChange, set: ChangeSet): Steps<DmaError | undefined> {
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
        code: ABORTED,
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

function* pagesOfAll(maps: readonly MapChange[]): Steps<number> {
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
