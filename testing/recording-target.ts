import { isObservable, tap, type Observable } from 'rxjs';
import {
  DmaError,
  type DmaErrorDetails,
  type DmaMapRequest,
  type DmaTarget,
  type MemoryRange,
} from '../streams/index.js';
import { checkOneOf, printable, RangeMap } from '../streams/internal.js';
import { CallRecord, type FakeCall } from './call-record.js';
import { checkNames } from './checks.js';
import { FailingFake } from './failing-fake.js';
import { endingWith, nextTurn } from './late-answers.js';
import { serveBatch, type BatchAnswer, type CallAnswer } from './serve-batch.js';

/* eslint-disable @typescript-eslint/no-invalid-void-type -- a call of a target may return nothing: `void` is what such a function returns */
/** When a call of a fake ends: at once if nothing is returned, otherwise when the promise settles or the observable completes. */
export type Reply = (call: FakeCall) => void | PromiseLike<unknown> | Observable<unknown>;

/** Options of a `RecordingTarget`. */
export interface RecordingTargetOptions {
  /** Default: `'T'`. */
  readonly name?: string;
  /** Receives the text of each call with the name before it: `'T: map 0x0-0x4000 rw'`. Several fakes may share a journal to show the order of their calls. */
  readonly journal?: string[];
  /** As `DmaTarget.needsVa`; a map without a host address then breaches the contract. Default: `false`. */
  readonly needsVa?: boolean;
  /** As `DmaTarget.needsFd`; a map without a file then breaches the contract. Default: `false`. */
  readonly needsFd?: boolean;
  /** Default: `'superset'`. */
  readonly unmapShape?: 'superset' | 'exact';
  /** As `DmaTarget.concurrent`. Default: `false`. */
  readonly concurrent?: boolean;
  /** Whether the target has `mapDmaBatch` and `unmapDmaBatch`. Each call in a batch is recorded separately. Default: `false`. */
  readonly batches?: boolean;
  /**
   * Whether the target has `beginSet` and `endSet`, whose calls are recorded as `'begin 3'` and `'end 3'`, with the generation. It then refuses
   * maps and unmaps outside of a set. Default: `false`.
   */
  readonly sets?: boolean;
  /**
   * When each call ends. `'sync'` (the default): at once. `'async'`: by a promise, in a later turn of the event loop. A function: as it says
   * for that call, with a promise or an observable. A map or unmap takes effect when its call ends.
   */
  readonly reply?: 'sync' | 'async' | Reply;
}

const FLAGS: readonly string[] = ['needsVa', 'needsFd', 'concurrent', 'batches', 'sets'];
const OPTIONS: readonly string[] = ['name', 'journal', 'unmapShape', 'reply', ...FLAGS];

/** The code with which a call fails whose target is gone. */
const GONE = 'ERR_TARGET_GONE';

/**
 * A target without hardware, for tests. It records its calls, and knows what it holds.
 *
 * - It refuses each call that breaches the contract of `DmaTarget`: a map that overlaps another one, an unmap of only a part of a map, an
 *   unmap that is not exactly one map when `unmapShape` is `'exact'`, a call before the previous one has ended, a map without a host address
 *   or a file that it needs. Such a call fails with the code `ERR_CONTRACT`, has no effect, and is described in `violations`.
 * - It fails on plan: `failCall`, `failRange`, `failAll`, `failWhen`. A failed call has no effect.
 * - It goes away on plan: once a call has failed with the code `ERR_TARGET_GONE`, it holds nothing, and any later call breaches the contract.
 * - It answers late on plan: option `reply`.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { addRam, RecordingTarget } from 'dma-streams/testing';
 *
 * const target = new RecordingTarget();
 * const manager = new RegionManager();
 * await manager.attach(target);
 * await addRam(manager, '0x0-0x4000');
 * console.log(target.calls); // [ 'map 0x0-0x4000 rw' ]
 * ```
 */
export class RecordingTarget extends FailingFake implements DmaTarget {
  readonly name: string;
  readonly needsVa: boolean;
  readonly needsFd: boolean;
  readonly unmapShape: 'superset' | 'exact';
  readonly concurrent: boolean;
  mapDmaBatch?: NonNullable<DmaTarget['mapDmaBatch']>;
  unmapDmaBatch?: NonNullable<DmaTarget['unmapDmaBatch']>;
  beginSet?: (generation: number) => CallAnswer;
  endSet?: (generation: number) => CallAnswer;
  /** The number of calls in each batch. */
  readonly batchSizes: number[] = [];
  /** The requests of all map calls, failed ones included. */
  readonly requests: DmaMapRequest[] = [];
  readonly #reply: 'sync' | 'async' | Reply;
  #held = new RangeMap<Held>();
  #isGone = false;
  /** Ranges whose map call was unsubscribed: the caller may unmap them without knowing whether they are mapped. */
  readonly #cancelled: MemoryRange[] = [];
  #busyWith: string | undefined;
  /** The set that has begun, by its generation; `'none'` between two sets; `undefined` if the target is not told of sets. */
  #set: number | 'none' | undefined;

  /** @throws TypeError for an option that does not exist, or has the wrong type */
  constructor(options: RecordingTargetOptions = {}) {
    const { name = 'T', unmapShape = 'superset', reply = 'sync' } = options;
    checkNames(options, OPTIONS, 'RecordingTarget');
    checkOneOf(unmapShape, ['superset', 'exact'], 'unmapShape of RecordingTarget');
    if (typeof reply !== 'function') {
      checkOneOf(reply, ['sync', 'async'], 'reply of RecordingTarget, if it is no function,');
    }
    super(new CallRecord(name, options.journal), 'EIO');
    this.name = name;
    this.needsVa = options.needsVa ?? false;
    this.needsFd = options.needsFd ?? false;
    this.unmapShape = unmapShape;
    this.concurrent = options.concurrent ?? false;
    this.#reply = reply;
    if (options.batches === true) {
      this.mapDmaBatch = (requests) =>
        this.#cancellable(
          requests,
          this.#batch(requests, (one) => this.mapDma(one)),
        );
      this.unmapDmaBatch = (ranges) => this.#batch(ranges, (range) => this.unmapDma(range));
    }
    if (options.sets === true) {
      this.#set = 'none';
      this.beginSet = (generation) => this.#serveSetCall('begin', generation);
      this.endSet = (generation) => this.#serveSetCall('end', generation);
    }
  }

  /** The ranges that are mapped, in ascending order. */
  held(): readonly MemoryRange[] {
    return this.#held.toArray().map(({ range }) => range);
  }

  /** The requests of the maps that exist, in ascending order. */
  heldRequests(): readonly DmaMapRequest[] {
    return this.#held.toArray().map(({ request }) => request);
  }

  /** The same as `held`, for `Attachment.verify()`. */
  mappedRanges(): readonly MemoryRange[] {
    return this.held();
  }

  mapDma(request: DmaMapRequest): CallAnswer {
    const { range, region, writable } = request;
    this.requests.push(request);
    const text = `map ${range} ${writable ? 'rw' : 'ro'}`;
    return this.#serve({ kind: 'map', range, text }, this.#breachOfMap(text, request), { region }, () => {
      this.#held.insert({ range, request });
    });
  }

  unmapDma(range: MemoryRange): CallAnswer {
    const text = `unmap ${range}`;
    return this.#serve({ kind: 'unmap', range, text }, this.#breachOfUnmap(text, range), {}, () => {
      for (const held of this.#held.overlapping(range)) {
        this.#held.remove(held.range);
      }
    });
  }

  #serveSetCall(kind: 'begin' | 'end', generation: number): CallAnswer {
    const text = `${kind} ${generation}`;
    const expected = kind === 'begin' ? 'none' : generation;
    const breach =
      this.#isGone || this.#busyWith !== undefined || this.#set === expected
        ? this.#breachOfOrder(text)
        : `${text} was called ${this.#set === 'none' ? 'outside of a set' : `in set ${this.#set}`}`;
    if (breach === undefined && kind === 'end') {
      this.#set = 'none'; // Also if the call fails: it is not made again.
    }
    return this.#serve({ kind, range: undefined, text }, breach, {}, () => {
      this.#set = kind === 'begin' ? generation : 'none';
    });
  }

  #breachOfMap(text: string, { range, hostVa, mappable }: DmaMapRequest): string | undefined {
    const inTheWay = this.#held.firstOverlap(range);
    return (
      this.#breachOfOrder(text) ??
      (this.needsVa && hostVa === undefined ? `${text} has no host virtual address` : undefined) ??
      (this.needsFd && mappable === undefined ? `${text} has no mappable` : undefined) ??
      (inTheWay === undefined ? undefined : `${text} overlaps ${inTheWay.range}, which is mapped`)
    );
  }

  #breachOfUnmap(text: string, range: MemoryRange): string | undefined {
    const held = this.#held.overlapping(range);
    const cut = held.find((one) => !range.contains(one.range));
    const exact = held[0]?.range.equals(range) === true;
    const uncertain = this.#cancelled.findIndex((one) => range.contains(one));
    if (uncertain >= 0) {
      this.#cancelled.splice(uncertain, 1);
    }
    return (
      this.#breachOfOrder(text) ??
      (cut === undefined ? undefined : `${text} cuts ${cut.range}`) ??
      (this.unmapShape === 'superset' || exact || uncertain >= 0 ? undefined : `${text} is not exactly one map`)
    );
  }

  #breachOfOrder(text: string): string | undefined {
    return this.#isGone
      ? `${text} was called after the target was gone`
      : this.#busyWith !== undefined
        ? `${text} was called before "${this.#busyWith}" had ended`
        : this.#set === 'none' && text.includes('map')
          ? `${text} was called outside of a set`
          : undefined;
  }

  #batch<T extends DmaMapRequest | MemoryRange>(items: readonly T[], call: (item: T) => CallAnswer): BatchAnswer {
    this.batchSizes.push(items.length);
    return serveBatch(items, call);
  }

  /** Notes, when a batch of maps is unsubscribed, that the caller may unmap the ranges of those that were not made. */
  #cancellable(requests: readonly DmaMapRequest[], answer: BatchAnswer): BatchAnswer {
    const unsubscribe = (): void => {
      const known = [...this.held(), ...this.#cancelled];
      for (const { range } of requests) {
        if (!known.some((one) => one.equals(range))) {
          this.#cancelled.push(range);
        }
      }
    };
    return isObservable(answer) ? answer.pipe(tap({ unsubscribe })) : answer;
  }

  #serve(
    call: Omit<FakeCall, 'number'>,
    breach: string | undefined,
    details: Partial<DmaErrorDetails>,
    apply: () => void,
  ): CallAnswer {
    const { kind, range, text } = call;
    const number = this.calls.length;
    const request = kind.toUpperCase();
    if (breach !== undefined) {
      this.violations.push(breach);
    }
    const code = this.record.record(call, breach === undefined ? undefined : 'ERR_CONTRACT');
    const end = (): void => {
      if (code !== undefined) {
        const message = breach ?? 'failed on plan';
        if (code === GONE) {
          this.#isGone = true;
          this.#held = new RangeMap();
        }
        throw new DmaError(message, { code, syscall: 'ioctl', request, target: this.name, range, ...details });
      }
      apply();
    };
    if (this.#reply === 'sync' || breach !== undefined) {
      end();
      return undefined;
    }
    const answer = this.#reply === 'async' ? nextTurn() : this.#reply({ ...call, number });
    if (answer === undefined) {
      end();
      return undefined;
    }
    this.#busyWith = text;
    const free = (): void => {
      this.#busyWith = undefined;
    };
    if (isObservable(answer)) {
      return endingWith(answer, free, end, () => {
        if (kind === 'map' && range !== undefined) {
          this.#cancelled.push(range);
        }
      });
    }
    return Promise.resolve(answer).finally(free).then(end);
  }
}

printable(RecordingTarget, (target) => ({
  name: target.name,
  held: target.held(),
  calls: target.calls.length,
  violations: target.violations,
}));

interface Held {
  readonly range: MemoryRange;
  readonly request: DmaMapRequest;
}
