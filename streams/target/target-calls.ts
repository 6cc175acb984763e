import { answerOf } from './answers.js';
import { isRefused } from '../changes/mapping.js';
import type { MapChange } from '../contracts/change-set.js';
import type { BatchStop, DmaMapRequest, DmaTarget } from '../contracts/dma-target.js';
import { DmaError, toDmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { filterInSlices, mapInSlices } from '../ranges/slices.js';
import { isPromiseLike, type Coroutine } from '../util/coroutine.js';

/** What a call comes to: nothing when it is done, an error when it failed, a promise when that is still to be seen. */
export type Answer = undefined | DmaError | PromiseLike<unknown>;

/** Calls that a target takes together at most: in rows, and in pages (256 MiB), so that an abort between two of them comes soon. */
const ROWS = 4096;
const PAGES = 1 << 16;

/** The calls of one target. What they throw, or reject with, comes back as a `DmaError`. */
export class TargetCalls {
  readonly target: DmaTarget;
  /** Unsubscribes from a map that is under way, where the target returned an observable. */
  signal: AbortSignal | undefined = undefined;
  /** Requests that have been made, and the maps that they are of: a set is looked at and mapped with the same ones. */
  #requests: { readonly of: readonly MapChange[]; readonly requests: readonly DmaMapRequest[] } | undefined = undefined;

  constructor(target: DmaTarget) {
    this.target = target;
  }

  /** Why the target need not even be asked for a map. */
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

  /** Lets the target look at all maps of a set. */
  *check(maps: readonly MapChange[]): Coroutine<DmaError | undefined> {
    try {
      const requests = yield* mapInSlices(maps, requestOf);
      this.#requests = { of: maps, requests };
      const allowed = yield* filterInSlices(maps, isAllowed);
      const answer = answerOf(
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
      const answer = answerOf(this.target.mapDma(requestOf(change)), this.signal);
      return isPromiseLike(answer) ? answer : undefined;
    } catch (thrown) {
      return this.#toError(thrown, change);
    }
  }

  unmap(range: MemoryRange): Answer {
    try {
      const answer = answerOf(this.target.unmapDma(range));
      return isPromiseLike(answer) ? answer : undefined;
    } catch (thrown) {
      return this.#toError(thrown, { range });
    }
  }

  /** Waits for what a call came to; `about` is what it was for. */
  *settled(
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

  /** How many of these, from the first on, are to be handed over together. */
  together(items: readonly { readonly range: MemoryRange }[], from: number): number {
    let pages = 0;
    let count = 0;
    while (count < ROWS && from + count < items.length) {
      const { startPage, endPage } = (items[from + count] as { readonly range: MemoryRange }).range;
      pages += endPage - startPage;
      if (count > 0 && pages > PAGES) {
        break;
      }
      count += 1;
    }
    return count;
  }

  /**
   * Makes the maps from `first` up to and without `end`, together where the target takes them so. Returns how many were made before one
   * failed, and why that one did.
   */
  *mapTogether(
    maps: readonly MapChange[],
    first: number,
    end: number,
  ): Coroutine<{ readonly done: number; readonly error?: DmaError | undefined }> {
    const only = maps[first];
    if (end - first === 1 && only !== undefined) {
      const error = yield* this.settled(this.map(only), only);
      return { done: error === undefined ? 1 : 0, error };
    }
    const changes = first === 0 && end === maps.length ? maps : maps.slice(first, end);
    return yield* this.#several(changes, () =>
      answerOf(this.target.mapDmaBatch?.(this.#requestsOf(maps, first, changes)), this.signal),
    );
  }

  /** Unmaps these ranges, as `mapTogether` maps. */
  *unmapTogether(
    calls: readonly { readonly range: MemoryRange }[],
  ): Coroutine<{ readonly done: number; readonly error?: DmaError | undefined }> {
    const [only] = calls;
    if (calls.length === 1 && only !== undefined) {
      const error = yield* this.settled(this.unmap(only.range), only);
      return { done: error === undefined ? 1 : 0, error };
    }
    return yield* this.#several(calls, () => answerOf(this.target.unmapDmaBatch?.(calls.map(({ range }) => range))));
  }

  *#several(
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
        throw new DmaError('the target does not say how far it got', {
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

  /** Lets go of the requests of the last set. */
  forget(): void {
    this.#requests = undefined;
  }

  /** The requests for some of these maps, `changes`, which begin at `first`. */
  #requestsOf(maps: readonly MapChange[], first: number, changes: readonly MapChange[]): readonly DmaMapRequest[] {
    if (this.#requests?.of !== maps) {
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

/** A map as its target is asked for it. */
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
