import { toAnswer } from './answers.js';
import { ManagedSet, type Addresses } from '../changes/managed-set.js';
import { withChanges } from '../changes/mapping.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { BatchStop, DmaMapRequest, DmaTarget } from '../contracts/dma-target.js';
import { DmaError, toDmaError } from '../contracts/errors.js';
import type { HostVa } from '../contracts/host-va.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { OpenCall } from './open-call.js';
import { failingWith, type Callee } from './set-hooks.js';
import { type Coroutine, isPromiseLike } from '../util/coroutine.js';
import { inSlices, ITEMS_AT_ONCE_MAX } from '../util/sliced-work.js';

/**
 * The answer to a call: `undefined` when it has succeeded, an error when it has failed, a promise when it has not been
 * answered yet.
 */
export type Answer = undefined | DmaError | PromiseLike<unknown>;

/** The answer to a batch: `undefined` when all of its calls have succeeded. */
export type BatchAnswer = undefined | FailedBatch | PromiseLike<unknown>;

/** A batch that has stopped: the number of its calls that took effect, and the error of the next one. */
export interface FailedBatch {
  readonly done: number;
  readonly error: DmaError;
}

/** What a call is for. */
interface About {
  readonly range: MemoryRange;
  readonly region?: string | undefined;
}

const NOTHING_TO_UNMAP = { unmapDma: () => undefined, unmapDmaBatch: () => undefined };

/** The maps of a set, and their requests. */
export class MapList {
  readonly set: ChangeSet;
  readonly maps: readonly MapChange[];
  /** Parallel to the maps: the addresses of a managed set. `undefined` when the maps have them, or there are none. */
  readonly addresses: Addresses | undefined;
  /** Those of all maps, and those of the maps that have not been refused. Made for `checkMaps`, used for the calls. */
  #all: DmaMapRequest[] | undefined = undefined;
  #allowed: DmaMapRequest[] = [];

  /** @param maps all maps of the set, or some of them if the set has no addresses */
  constructor(set: ChangeSet, maps: readonly MapChange[]) {
    this.set = set;
    this.maps = maps;
    this.addresses = ManagedSet.detailsOf(set)?.addresses;
  }

  /** The host address of a map, or the error with which a mapper or an operator has refused it. */
  addressAt(index: number): HostVa | DmaError | undefined {
    const { refused, hostVa } = this.maps[index] as MapChange;
    return refused ?? (this.addresses === undefined ? hostVa : this.addresses[index]);
  }

  /** The map with its address. */
  mappingAt(index: number): MapChange {
    const change = this.maps[index] as MapChange;
    const hostVa = this.addressAt(index);
    return hostVa === undefined || hostVa === change.hostVa || hostVa instanceof DmaError
      ? change
      : withChanges(change, { hostVa });
  }

  /** Makes all requests. Returns a coroutine when there are many. */
  makeAll(): Coroutine<void> | undefined {
    const { length } = this.maps;
    this.#all = this.#allowed = [];
    if (length > ITEMS_AT_ONCE_MAX) {
      return inSlices(length, (from, to) => {
        this.#append(from, to);
      });
    }
    this.#append(0, length);
    return undefined;
  }

  /** The requests of the maps that have not been refused. To be called after `makeAll`. */
  get allowed(): readonly DmaMapRequest[] {
    return this.#allowed;
  }

  requestAt(index: number, address = this.addressAt(index)): DmaMapRequest {
    return this.#all?.[index] ?? requestOf(this.maps[index] as MapChange, address);
  }

  /** The requests of the maps from index `from` up to, but not including, `to`. */
  requestsBetween(from: number, to: number): readonly DmaMapRequest[] {
    const all = this.#all;
    if (all !== undefined) {
      return to - from === all.length ? all : all.slice(from, to);
    }
    const requests: DmaMapRequest[] = [];
    for (let index = from; index < to; index++) {
      requests.push(this.requestAt(index));
    }
    return requests;
  }

  #append(from: number, to: number): void {
    const all = this.#all as DmaMapRequest[];
    for (let index = from; index < to; index++) {
      const address = this.addressAt(index);
      const isRefused = address instanceof DmaError;
      if (isRefused && this.#allowed === all) {
        this.#allowed = all.slice();
      }
      const request = requestOf(this.maps[index] as MapChange, address);
      all.push(request);
      if (this.#allowed !== all && !isRefused) {
        this.#allowed.push(request);
      }
    }
  }
}

/** Makes the calls of one target. What they throw or reject with is returned as a `DmaError`. Nothing is called once it is gone. */
export class TargetCalls {
  readonly target: DmaTarget;
  readonly open = new OpenCall();
  /** Unsubscribes from the observable of a map that has not been answered. */
  signal: AbortSignal | undefined = undefined;
  /** What is called: the target, or what stands in for it. */
  #callee: Callee;
  #gone: DmaError | undefined = undefined;

  constructor(target: DmaTarget) {
    this.target = this.#callee = target;
  }

  /** The reason why no call of the current set may be made: each fails with it. */
  set refusal(reason: DmaError | undefined) {
    if (this.#gone === undefined) {
      this.#callee = reason === undefined ? this.target : failingWith(reason);
    }
  }

  /** The error that says that the target is gone. */
  get gone(): DmaError | undefined {
    return this.#gone;
  }

  /** The target is gone: from now on maps and checks fail with this error, unmaps have nothing to do. */
  end(error: DmaError): void {
    if (this.#gone === undefined) {
      this.#gone = error;
      this.#callee = { ...failingWith(error), ...NOTHING_TO_UNMAP };
    }
  }

  /** Calls `checkMaps`, which the target has. */
  check(requests: readonly DmaMapRequest[]): Answer {
    try {
      const returned: unknown = this.#callee.checkMaps?.(requests);
      return returned === undefined ? undefined : this.#answerOf(returned, this.signal);
    } catch (thrown) {
      return this.toError(thrown);
    }
  }

  map(request: DmaMapRequest): Answer {
    try {
      const returned: unknown = this.#callee.mapDma(request);
      return returned === undefined ? undefined : this.#answerOf(returned, this.signal);
    } catch (thrown) {
      return this.toError(thrown, request);
    }
  }

  unmap(range: MemoryRange): Answer {
    try {
      const returned: unknown = this.#callee.unmapDma(range);
      return returned === undefined ? undefined : this.#answerOf(returned);
    } catch (thrown) {
      return this.toError(thrown, { range });
    }
  }

  /** Waits for an answer, and returns its error; `about` is what the call was for. */
  *errorOf(answer: Answer, about?: About): Coroutine<DmaError | undefined> {
    if (answer === undefined || answer instanceof DmaError) {
      return answer;
    }
    try {
      yield this.open.wait(answer);
      return undefined;
    } catch (thrown) {
      return this.toError(thrown, about);
    }
  }

  /** Makes several maps by one call of `mapDmaBatch`, which the target has; a single one by `mapDma`. */
  mapBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
    if (requests.length === 1) {
      return failedFirst(this.map(requests[0] as DmaMapRequest));
    }
    try {
      const returned: unknown = this.#callee.mapDmaBatch?.(requests);
      return returned === undefined ? undefined : this.#batchAnswerOf(toAnswer(returned, this.signal), requests);
    } catch (thrown) {
      return { done: 0, error: this.toError(thrown, requests[0]) };
    }
  }

  /** Unmaps these ranges, as `mapBatch` maps. */
  unmapBatch(items: readonly About[]): BatchAnswer {
    if (items.length === 1) {
      return failedFirst(this.unmap((items[0] as About).range));
    }
    try {
      const returned: unknown = this.#callee.unmapDmaBatch?.(items.map(rangeOf));
      return returned === undefined ? undefined : this.#batchAnswerOf(toAnswer(returned), items);
    } catch (thrown) {
      return { done: 0, error: this.toError(thrown, items[0]) };
    }
  }

  /** Waits for the answer to a batch. Returns `undefined` when all of its calls have succeeded. */
  *failureOf(answer: BatchAnswer, items: readonly About[]): Coroutine<FailedBatch | undefined> {
    try {
      if (!isPromiseLike(answer)) {
        return answer;
      }
      const stop: unknown = yield this.open.wait(answer);
      return items.length === 1 ? undefined : this.#stopOf(stop, items); // A single call has no result.
    } catch (thrown) {
      return { done: 0, error: this.toError(thrown, items[0]) };
    }
  }

  #answerOf(returned: unknown, signal?: AbortSignal): Answer {
    const answer = toAnswer(returned, signal);
    return isPromiseLike(answer) ? answer : undefined;
  }

  #batchAnswerOf(answer: unknown, items: readonly About[]): BatchAnswer {
    return isPromiseLike(answer) ? answer : this.#stopOf(answer, items);
  }

  /** What a batch has returned, checked. */
  #stopOf(stop: unknown, items: readonly About[]): FailedBatch | undefined {
    if (typeof stop !== 'object' || stop === null) {
      return undefined;
    }
    const { done } = stop as BatchStop;
    if (!Number.isInteger(done) || done < 0 || done >= items.length) {
      const invalid = new DmaError('the target returned an invalid result of a batch', {
        code: 'ERR_TARGET_FAILED',
        target: this.target.name,
        hint: 'a batch returns nothing when all of it took effect, else { done, error }: how many did, and why the next one did not',
      });
      return { done: 0, error: this.toError(invalid, items[0]) };
    }
    return { done, error: this.toError((stop as BatchStop).error, items[done]) };
  }

  toError(thrown: unknown, about?: About): DmaError {
    const error = toDmaError(thrown, {
      fallbackCode: 'ERR_TARGET_FAILED',
      target: this.target.name,
      region: about?.region,
      range: about?.range,
    });
    if (error.code === 'ERR_TARGET_GONE') {
      this.end(error);
    }
    return error;
  }
}

/** The answer to a single call, as that to a batch. */
function failedFirst(answer: Answer): BatchAnswer {
  return answer instanceof DmaError ? { done: 0, error: answer } : answer;
}

function rangeOf({ range }: About): MemoryRange {
  return range;
}

/** The request for a map. This is the only place where a host address is put on. */
export function requestOf(
  { range, region, type, writable, backing }: MapChange,
  address: HostVa | DmaError | undefined,
): DmaMapRequest {
  const hostVa = address instanceof DmaError ? undefined : address;
  if (typeof backing === 'string') {
    return hostVa === undefined
      ? { range, region, type, writable, fileOffset: 0n }
      : { range, region, type, writable, fileOffset: 0n, hostVa };
  }
  const { mappable, fileOffset } = backing;
  return hostVa === undefined
    ? { range, region, type, writable, mappable, fileOffset }
    : { range, region, type, writable, mappable, fileOffset, hostVa };
}
