import { toAnswer } from './answers.js';
import { isRefused } from '../changes/mapping.js';
import type { MapChange } from '../contracts/change-set.js';
import type { BatchStop, DmaMapRequest, DmaTarget } from '../contracts/dma-target.js';
import { DmaError, toDmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { filterInSlices, mapInSlices } from '../ranges/slices.js';
import { isPromiseLike } from '../util/checks.js';
import type { Coroutine } from '../util/coroutine.js';

/**
 * The answer to a call: `undefined` when it has succeeded, an error when it has failed, a promise when it has not been
 * answered yet.
 */
export type Answer = undefined | DmaError | PromiseLike<unknown>;

/** Limits of one batch: calls, and pages (256 MiB). An abort takes effect between two batches. */
const BATCH_CALLS_MAX = 4096;
const BATCH_PAGES_MAX = 1 << 16;

/** Makes the calls of one target. What they throw or reject with is returned as a `DmaError`. */
export class TargetCalls {
  readonly target: DmaTarget;
  /** Unsubscribes from the observable of a map that has not been answered. */
  signal: AbortSignal | undefined = undefined;
  /** The requests of the current set: those that `check` has made are used to map as well. */
  #requests: { readonly maps: readonly MapChange[]; readonly requests: readonly DmaMapRequest[] } | undefined =
    undefined;

  constructor(target: DmaTarget) {
    this.target = target;
  }

  /** The reason why the target cannot be called for a map, if there is one. */
  obstacle(change: MapChange): DmaError | undefined {
    if (change.refused !== undefined) {
      return change.refused;
    }
    if (this.target.needsVa === true && change.hostVa === undefined) {
      return this.#refusal(
        change,
        'ERR_NO_VA',
        'the target needs a host virtual address, and the map has none',
        NO_VA_HINT,
      );
    }
    if (this.target.needsFd === true && change.backing === 'private') {
      return this.#refusal(change, 'ERR_NO_FD', 'the target needs a file, and private memory has none', NO_FD_HINT);
    }
    return undefined;
  }

  /** Calls `checkMaps` of the target for the maps of a set. Returns its error. */
  *check(maps: readonly MapChange[]): Coroutine<DmaError | undefined> {
    try {
      const requests = yield* mapInSlices(maps, requestOf);
      this.#requests = { maps, requests };
      const allowed = yield* filterInSlices(maps, isAllowed);
      const answer = toAnswer(
        this.target.checkMaps?.(allowed.length === maps.length ? requests : yield* mapInSlices(allowed, requestOf)),
        this.signal,
      );
      if (isPromiseLike(answer)) {
        yield answer;
      }
      return undefined;
    } catch (thrown) {
      return this.#toError(thrown);
    }
  }

  map(change: MapChange): Answer {
    try {
      const answer = toAnswer(this.target.mapDma(requestOf(change)), this.signal);
      return isPromiseLike(answer) ? answer : undefined;
    } catch (thrown) {
      return this.#toError(thrown, change);
    }
  }

  unmap(range: MemoryRange): Answer {
    try {
      const answer = toAnswer(this.target.unmapDma(range));
      return isPromiseLike(answer) ? answer : undefined;
    } catch (thrown) {
      return this.#toError(thrown, { range });
    }
  }

  /** Waits for an answer, and returns its error; `about` is what the call was for. */
  *errorOf(
    answer: Answer,
    about: { readonly range: MemoryRange; readonly region?: string },
  ): Coroutine<DmaError | undefined> {
    if (answer === undefined || answer instanceof DmaError) {
      return answer;
    }
    try {
      yield answer;
      return undefined;
    } catch (thrown) {
      return this.#toError(thrown, about);
    }
  }

  /** The number of items, from index `from` on, that one batch takes. */
  batchLength(items: readonly { readonly range: MemoryRange }[], from: number): number {
    let pages = 0;
    let count = 0;
    while (count < BATCH_CALLS_MAX && from + count < items.length) {
      const { startPage, endPage } = (items[from + count] as { readonly range: MemoryRange }).range;
      pages += endPage - startPage;
      if (count > 0 && pages > BATCH_PAGES_MAX) {
        break;
      }
      count += 1;
    }
    return count;
  }

  /**
   * Makes the maps from index `first` up to, but not including, `end`, by one call of `mapDmaBatch`; a single one by
   * `mapDma`.
   *
   * @returns the number of maps that were made before one failed, and the error of that one
   */
  *mapBatch(
    maps: readonly MapChange[],
    first: number,
    end: number,
  ): Coroutine<{ readonly done: number; readonly error?: DmaError | undefined }> {
    const only = maps[first];
    if (end - first === 1 && only !== undefined) {
      const error = yield* this.errorOf(this.map(only), only);
      return { done: error === undefined ? 1 : 0, error };
    }
    const changes = first === 0 && end === maps.length ? maps : maps.slice(first, end);
    return yield* this.#callBatch(changes, () =>
      toAnswer(this.target.mapDmaBatch?.(this.#requestsOf(maps, first, changes)), this.signal),
    );
  }

  /** Unmaps these ranges, as `mapBatch` maps. */
  *unmapBatch(
    calls: readonly { readonly range: MemoryRange }[],
  ): Coroutine<{ readonly done: number; readonly error?: DmaError | undefined }> {
    const [only] = calls;
    if (calls.length === 1 && only !== undefined) {
      const error = yield* this.errorOf(this.unmap(only.range), only);
      return { done: error === undefined ? 1 : 0, error };
    }
    return yield* this.#callBatch(calls, () => toAnswer(this.target.unmapDmaBatch?.(calls.map(({ range }) => range))));
  }

  *#callBatch(
    items: readonly { readonly range: MemoryRange; readonly region?: string }[],
    call: () => unknown,
  ): Coroutine<{ readonly done: number; readonly error?: DmaError | undefined }> {
    let done = 0;
    try {
      const answer = call();
      const stop: unknown = isPromiseLike(answer) ? yield answer : answer;
      if (typeof stop !== 'object' || stop === null) {
        return { done: items.length };
      }
      ({ done } = stop as BatchStop);
      if (!Number.isInteger(done) || done < 0 || done >= items.length) {
        done = 0;
        throw new DmaError('the target returned an invalid result of a batch', {
          code: 'ERR_TARGET_FAILED',
          target: this.target.name,
          hint: 'a batch returns nothing when all of it took effect, else { done, error }: how many did, and why the next one did not',
        });
      }
      throw (stop as BatchStop).error;
    } catch (thrown) {
      return { done, error: this.#toError(thrown, items[done]) };
    }
  }

  /** Drops the requests of the last set. */
  dropRequests(): void {
    this.#requests = undefined;
  }

  /** The requests of `changes`, which are the maps from index `first` on. */
  #requestsOf(maps: readonly MapChange[], first: number, changes: readonly MapChange[]): readonly DmaMapRequest[] {
    if (this.#requests?.maps !== maps) {
      return changes.map(requestOf);
    }
    const { requests } = this.#requests;
    return changes === maps ? requests : requests.slice(first, first + changes.length);
  }

  #refusal(change: MapChange, code: string, message: string, hint: string): DmaError {
    return new DmaError(message, { code, target: this.target.name, region: change.region, range: change.range, hint });
  }

  #toError(thrown: unknown, about?: { readonly range: MemoryRange; readonly region?: string }): DmaError {
    return toDmaError(thrown, {
      fallbackCode: 'ERR_TARGET_FAILED',
      target: this.target.name,
      region: about?.region,
      range: about?.range,
    });
  }
}

function isAllowed(change: MapChange): boolean {
  return !isRefused(change);
}

export const NO_FD_HINT = 'back the memory by a Memfd, or detach the target first';
const NO_VA_HINT = 'put ensureMapped(vaMapper) before toTarget(target) in the branch';

/** The request for a map. */
export function requestOf(change: MapChange): DmaMapRequest {
  const { range, region, type, writable, backing, hostVa } = change;
  if (backing === 'private') {
    return hostVa === undefined
      ? { range, region, type, writable, fileOffset: 0n }
      : { range, region, type, writable, fileOffset: 0n, hostVa };
  }
  const { mappable, fileOffset } = backing;
  return hostVa === undefined
    ? { range, region, type, writable, mappable, fileOffset }
    : { range, region, type, writable, mappable, fileOffset, hostVa };
}
