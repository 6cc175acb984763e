import { toAnswer } from './answers.js';
import { ManagedSet, type Addresses } from '../changes/managed-set.js';
import { withChanges } from '../changes/mapping.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { DmaMapRequest, DmaTarget } from '../contracts/dma-target.js';
import { DmaError, toDmaError } from '../contracts/errors.js';
import type { HostVa } from '../contracts/host-va.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { waitingError } from './obstacles.js';
import { OpenCall } from './open-call.js';
import { failingWith, type Callee } from './set-hooks.js';
import { type Coroutine, isPromiseLike } from '../util/coroutine.js';
import { inSlices, ITEMS_AT_ONCE_MAX } from '../util/sliced-work.js';

/**
 * The answer to a call: `undefined` when it has succeeded, an error when it has failed, a promise when it has not been
 * answered yet.
 */
export type Answer = undefined | DmaError | PromiseLike<unknown>;

/** What a call is for. */
export interface About {
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

/**
 * Makes the calls of one target. What they throw or reject with is returned as a `DmaError`. Nothing is called once it is gone.
 *
 * The properties of the target are read here, while it is attached, and not again: a getter may throw, or return something else, and must not do
 * so in the middle of a command.
 */
export class TargetCalls {
  readonly target: DmaTarget;
  readonly name: string;
  readonly needsVa: boolean;
  readonly needsFd: boolean;
  /** Whether each map is unmapped by a call of its own. */
  readonly isExact: boolean;
  readonly slowForLargeMaps: boolean;
  readonly open = new OpenCall();
  /** Unsubscribes from the observable of a map that has not been answered. */
  signal: AbortSignal | undefined = undefined;
  /** What is called: the target, or what stands in for it. */
  #callee: Callee;
  #gone: DmaError | undefined = undefined;
  /** Whether a call that timed out keeps the target from being called. `ended`: until `resume`. */
  #waiting: 'no' | 'yes' | 'ended' = 'no';

  constructor(target: DmaTarget) {
    this.target = this.#callee = target;
    this.name = target.name;
    this.needsVa = target.needsVa === true;
    this.needsFd = target.needsFd === true;
    this.isExact = target.unmapShape === 'exact';
    this.slowForLargeMaps = target.slowForLargeMaps !== false;
  }

  /** Whether the target has an optional method. One that cannot be read is there: the call of it fails, and says why. */
  has(method: 'checkMaps' | 'mapDmaBatch' | 'unmapDmaBatch' | 'mappedRanges' | 'mappedCount'): boolean {
    try {
      return this.target[method] !== undefined;
    } catch {
      return true;
    }
  }

  /** The reason why no call of the current set may be made: each fails with it. */
  set refusal(reason: DmaError | undefined) {
    if (this.#gone === undefined) {
      const refused = reason ?? (this.isWaiting ? waitingError(this.name) : undefined);
      this.#callee = refused === undefined ? this.target : failingWith(refused);
    }
  }

  /** What is called: the target, or what stands in for it. */
  get callee(): Callee {
    return this.#callee;
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

  /** Whether no call is made because one that timed out has not ended. */
  get isWaiting(): boolean {
    return this.#waiting !== 'no';
  }

  /** The open call fails with this error. Until it has ended, and `resume` is called, all others fail with another one. */
  timeOut(error: DmaError): void {
    this.#waiting = 'yes';
    this.refusal = undefined;
    this.open.abandon(error);
    void this.open.abandoned?.then((answer) => {
      this.#waiting = 'ended';
      if ('thrown' in answer) {
        this.toError(answer.thrown); // It may say that the target is gone.
      }
    });
  }

  /** @throws DmaError with which a call fails that is not made */
  refuse(): never {
    throw this.gone ?? waitingError(this.name);
  }

  /** Calls are made again if the one that timed out has ended. */
  resume(): void {
    if (this.#waiting === 'ended') {
      this.#waiting = 'no';
      this.refusal = undefined;
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

  #answerOf(returned: unknown, signal?: AbortSignal): Answer {
    const answer = toAnswer(returned, signal);
    return isPromiseLike(answer) ? answer : undefined;
  }

  toError(thrown: unknown, about?: About): DmaError {
    const error = toDmaError(thrown, {
      fallbackCode: 'ERR_TARGET_FAILED',
      target: this.name,
      region: about?.region,
      range: about?.range,
    });
    if (error.code === 'ERR_TARGET_GONE') {
      this.end(error);
    }
    return error;
  }
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
