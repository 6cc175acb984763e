import type { SetResult } from '../changes/outcomes.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import { DmaError, withContext } from '../contracts/errors.js';
import type { HostVa } from '../contracts/host-va.js';
import { filterInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import { UnsubscribedError } from './answers.js';
import { BatchCalls } from './batch-calls.js';
import { batchLength } from './batch-length.js';
import type { Ledger } from './ledger.js';
import { pagesOf, pagesOfAll, type Monitor } from './monitor.js';
import { abortedError, noFdError, noVaError, stuckError } from './obstacles.js';
import { MapList, type TargetCalls } from './target-calls.js';
import type { TargetUnmaps } from './target-unmaps.js';
import { markMapsUnderWay } from './under-way.js';

/**
 * Serves the maps of one target. The first failed map of RAM stops a forward set; an inverse set is served to its end,
 * past failures. A failed map of device memory is skipped in a forward set.
 */
export class TargetMaps {
  monitor: Monitor | undefined = undefined;
  readonly #calls: TargetCalls;
  readonly #batches: BatchCalls;
  readonly #ledger: Ledger;
  readonly #unmaps: TargetUnmaps;

  constructor(calls: TargetCalls, ledger: Ledger, unmaps: TargetUnmaps) {
    this.#calls = calls;
    this.#batches = new BatchCalls(calls);
    this.#ledger = ledger;
    this.#unmaps = unmaps;
  }

  /**
   * Serves the maps of a set: together if the target takes batches, else one by one.
   *
   * @returns whether a failed map has stopped the set, which is then to be undone
   */
  *serve(set: ChangeSet, result: SetResult): Coroutine<boolean> {
    const onBegin = this.monitor?.onBegin;
    if (onBegin !== undefined) {
      onBegin(yield* pagesOfAll(set.maps));
    }
    const list = new MapList(set, set.undo === true ? yield* this.#ledger.toRestore(set.maps) : set.maps);
    const { length } = list.maps;
    if (this.#calls.has('checkMaps') && set.undo !== true) {
      const making = list.makeAll();
      if (making !== undefined) {
        yield* making;
      }
      const answer = this.#calls.check(list.allowed);
      const rejection = answer === undefined ? undefined : yield* this.#calls.errorOf(answer);
      if (rejection !== undefined) {
        yield* this.#recordRejection(rejection, set, result);
        return true;
      }
    }
    if (length > 1 && this.#calls.has('mapDmaBatch')) {
      return yield* this.#serveTogether(list, result);
    }
    for (let index = 0; index < length; index++) {
      const change = list.maps[index] as MapChange;
      const address = list.addressAt(index);
      let error =
        this.#obstacle(change, address) ?? (this.#ledger.hasStuck ? yield* this.#clearStuck(change, set) : undefined);
      if (error === undefined) {
        const answer = this.#calls.map(list.requestAt(index, address));
        error = answer === undefined ? undefined : yield* this.#calls.errorOf(answer, change);
        this.#record(list, index, index + 1, error);
        if (error !== undefined) {
          yield* this.#noteLate(list, index, index + 1, error, result);
        }
      }
      if (error !== undefined && this.#recordFailure(change, error, set, result)) {
        return true;
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
    return false;
  }

  /** As `serve`, in batches of maps without an obstacle. */
  *#serveTogether(list: MapList, result: SetResult): Coroutine<boolean> {
    const { maps, set } = list;
    for (let next = 0; next < maps.length;) {
      const first = maps[next] as MapChange;
      let error =
        this.#obstacle(first, list.addressAt(next)) ??
        (this.#ledger.hasStuck ? yield* this.#clearStuck(first, set) : undefined);
      if (error === undefined) {
        const end = this.#endOfBatch(list, next);
        const requests = list.requestsBetween(next, end);
        const answer = this.#batches.mapBatch(requests);
        const failed = answer === undefined ? undefined : yield* this.#batches.failureOf(answer, requests);
        const done = failed === undefined ? end : next + failed.done;
        error = failed?.error;
        this.#record(list, next, done, undefined);
        if (error !== undefined) {
          this.#record(list, done, end, error);
          yield* this.#noteLate(list, done, end, error, result);
        }
        next = done;
      }
      if (error !== undefined) {
        if (this.#recordFailure(maps[next] as MapChange, error, set, result)) {
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
  #endOfBatch(list: MapList, first: number): number {
    if (this.#ledger.hasStuck) {
      return first + 1; // Each map needs a look at what is stuck at its addresses.
    }
    const end = first + batchLength(this.#calls, list.maps, first);
    let last = first + 1;
    while (last < end && this.#obstacle(list.maps[last] as MapChange, list.addressAt(last)) === undefined) {
      last += 1;
    }
    return last;
  }

  /**
   * Records the maps from index `from` up to, but not including, `to`, as made. When the call has failed with `error`,
   * they count as made only if it is not known whether they took effect: the undo of the set then unmaps them.
   */
  #record(list: MapList, from: number, to: number, error: DmaError | undefined): void {
    if (error !== undefined && !(error instanceof UnsubscribedError)) {
      return;
    }
    this.#ledger.recordMaps(list, from, to);
    const onServed = error === undefined ? this.monitor?.onServed : undefined;
    if (onServed !== undefined) {
      for (let index = from; index < to; index++) {
        onServed(pagesOf((list.maps[index] as MapChange).range));
      }
    }
  }

  /** The maps of a call that timed out count as stuck: the target may still make them. */
  *#noteLate(list: MapList, from: number, to: number, error: DmaError, result: SetResult): Coroutine<void> {
    const late = this.#calls.open.lateAnswer(error);
    if (late === undefined || this.#calls.gone !== undefined) {
      return;
    }
    const maps: MapChange[] = [];
    for (let index = from; index < to; index++) {
      maps.push(list.mappingAt(index));
      result.add('stuck', { target: this.#calls.name, range: (list.maps[index] as MapChange).range });
    }
    yield* markMapsUnderWay(this.#ledger, maps, list.set.generation, late);
  }

  /** Records that `checkMaps` has rejected the set. */
  *#recordRejection(rejection: DmaError, { maps }: ChangeSet, result: SetResult): Coroutine<void> {
    const { range: rejected } = rejection;
    const [row] = rejected === undefined ? [] : yield* filterInSlices(maps, ({ range }) => rejected.equals(range));
    result.error = rejection;
    result.failedAt =
      row === undefined ? undefined : { target: this.#calls.name, region: row.region, range: row.range };
  }

  /** Records a failed map. Returns whether it stops the set. */
  #recordFailure(change: MapChange, error: DmaError, set: ChangeSet, result: SetResult): boolean {
    const at = { target: this.#calls.name, region: change.region, range: change.range };
    if (this.#calls.gone !== undefined) {
      result.error = this.#calls.gone;
      result.failedAt = set.undo ? undefined : at;
      return true;
    }
    if (set.undo) {
      result.error ??= error;
      result.add('missing', { target: at.target, range: at.range });
      this.#ledger.markMissing(change);
      return false;
    }
    if (change.type === 'device' && !this.#isAborted && !this.#calls.isWaiting) {
      this.#ledger.recordSkip(change);
      result.skip(withContext(error, at));
      this.monitor?.onServed?.(pagesOf(change.range));
      return false;
    }
    result.error = error;
    result.failedAt = at;
    return true;
  }

  /**
   * Unmaps again what is stuck at the addresses of a map, once for each command. Returns an error if something still
   * is.
   */
  *#clearStuck(change: MapChange, set: ChangeSet): Coroutine<DmaError | undefined> {
    for (const stuck of this.#ledger.stuck.overlapping(change.range)) {
      let cause: DmaError | undefined;
      if (stuck.triedAgainIn !== set.generation || set.undo === true) {
        cause = yield* this.#unmaps.unmapStuck(stuck.mapping, set.generation);
        if (cause === undefined) {
          continue;
        }
      }
      return stuckError(this.#calls.name, change, stuck, cause);
    }
    return undefined;
  }

  get #isAborted(): boolean {
    return this.monitor?.signal?.aborted === true;
  }

  /** The reason why the target is not called for a map, if there is one. */
  #obstacle(change: MapChange, address: HostVa | DmaError | undefined): DmaError | undefined {
    if (this.#isAborted) {
      return abortedError(this.#calls.name, change, this.monitor?.signal?.reason);
    }
    if (address instanceof DmaError) {
      return address;
    }
    if (address === undefined && this.#calls.needsVa) {
      return noVaError(this.#calls.name, change);
    }
    return typeof change.backing === 'string' && this.#calls.needsFd ? noFdError(this.#calls.name, change) : undefined;
  }
}
