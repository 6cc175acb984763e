import type { ChangeSet, MapChange } from './change-set.js';
import { DmaError, withContext } from './errors.js';
import { Turn } from './event-loop.js';
import type { Following } from './following.js';
import type { Ledger } from './ledger.js';
import { MapProgress } from './map-progress.js';
import type { MemoryRange } from './memory-range.js';
import type { Report } from './set-report.js';
import type { Steps } from './steps.js';
import type { TargetCalls } from './target-calls.js';
import type { TargetUnmaps } from './target-unmaps.js';

/** What an attachment wants to know of, and to stop, while a long set is served. */
export interface Monitor {
  readonly signal: AbortSignal | undefined;
  /** Pages of all maps of a set that is going to be served. */
  readonly onBegin?: (pages: number) => void;
  /** Pages of a map that was served. */
  readonly onServed?: (pages: number) => void;
}

/** The code of Node's own abort errors. */
export const ABORTED = 'ABORT_ERR';

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
   * Serves the maps of a set. Returns what it has mapped, in order, when one failed that ends the set.
   *
   * @param following the account that is kept of the set instead of the list; not once a map has failed that ends it
   */
  *serve(set: ChangeSet, following: Following | undefined, report: Report): Steps<readonly MapChange[] | undefined> {
    const { target } = this.#calls;
    this.monitor?.onBegin?.(set.maps.reduce((sum, { range }) => sum + pagesOf(range), 0));
    if (target.checkMaps !== undefined && set.undo !== true && (yield* this.#isMisfit(set, report))) {
      return [];
    }
    const progress = new MapProgress(this.#ledger, following, set);
    const failed = yield* target.mapDmaBatch !== undefined && set.maps.length > 1
      ? this.#mapTogether(set, report, progress)
      : this.#mapOneByOne(set, report, progress);
    this.#calls.forget();
    return failed ? progress.stop() : undefined;
  }

  /** Lets the target look at a forward set before its first map. Returns whether it finds that the set does not fit. */
  *#isMisfit({ maps }: ChangeSet, report: Report): Steps<boolean> {
    const misfit = yield* this.#calls.check(maps);
    if (misfit === undefined) {
      return false;
    }
    const row = maps.find(({ range }) => misfit.range?.equals(range));
    report.error = misfit;
    report.failedAt =
      row === undefined ? undefined : { target: this.#calls.target.name, region: row.region, range: row.range };
    return true;
  }

  /** Returns whether a map failed that ends the set. */
  *#mapOneByOne(set: ChangeSet, report: Report, progress: MapProgress): Steps<boolean> {
    const turn = new Turn();
    for (const change of set.maps) {
      if (set.undo && !this.#isToRestore(change)) {
        continue;
      }
      let error = this.#obstacle(change);
      if (error === undefined && this.#ledger.hasStuck) {
        error = yield* this.#clearStuck(change, set);
      }
      if (error === undefined) {
        const answer = this.#calls.map(change);
        error = answer === undefined ? undefined : yield* this.#calls.settled(answer, change);
      }
      if (error === undefined) {
        this.#noteMap(change, progress);
      } else if (this.#noteFailure(change, error, set, report, progress)) {
        return true;
      }
      const pause = turn.pause();
      if (pause !== undefined) {
        yield pause;
      }
    }
    return false;
  }

  /** As `#mapOneByOne`, handing over as many maps together as need no special care. */
  *#mapTogether(set: ChangeSet, report: Report, progress: MapProgress): Steps<boolean> {
    const maps = set.undo ? set.maps.filter((change) => this.#isToRestore(change)) : set.maps;
    for (let next = 0; next < maps.length;) {
      const first = maps[next] as MapChange;
      let error = this.#obstacle(first);
      if (error === undefined && this.#ledger.hasStuck) {
        error = yield* this.#clearStuck(first, set);
      }
      if (error === undefined) {
        const result = yield* this.#calls.mapTogether(maps, next, this.#endOfSlice(maps, next));
        for (const end = next + result.done; next < end; next++) {
          this.#noteMap(maps[next] as MapChange, progress);
        }
        error = result.error;
      }
      if (error !== undefined) {
        if (this.#noteFailure(maps[next] as MapChange, error, set, report, progress)) {
          return true;
        }
        next += 1;
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

  /** Whether an inverse set has to map this: it was taken, or is missing, and is not still there because its unmap had failed. */
  #isToRestore(change: MapChange): boolean {
    return this.#ledger.wants(change) && !this.#ledger.unstick(change);
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

function pagesOf({ startPage, endPage }: MemoryRange): number {
  return endPage - startPage;
}
