import { DmaError, type BatchStop, type DmaMapRequest, type DmaTarget, type MemoryRange } from '../../streams/index.js';
import { FakeCalls } from './fake-calls.js';

export interface RecordingTargetOptions {
  /** Default `'T'`. */
  readonly name?: string;
  /** Shared by several fakes, so that their order shows: `'T: map 0x0-0x4000 rw'`. */
  readonly journal?: string[];
  readonly needsVa?: boolean;
  readonly needsFd?: boolean;
  readonly unmapShape?: 'superset' | 'exact';
  /**
   * `'sync'` (the default): a call returns, or throws. `'async'`: it returns a promise that settles in a later turn of the
   * event loop. A function: it settles, as the call would, once the function's promise has (never, if that never does).
   */
  readonly reply?: 'sync' | 'async' | (() => Promise<void>);
  /** Takes whole sets: `mapDmaBatch` and `unmapDmaBatch` are there. Each of its calls is recorded by itself. */
  readonly together?: boolean;
  readonly concurrent?: boolean;
}

/**
 * A target that does nothing but remember. It also watches whether its caller keeps the contract of `DmaTarget`; what did
 * not is in `violations`, because an error thrown at the caller could be mistaken for a target that fails.
 */
export class RecordingTarget implements DmaTarget {
  readonly name: string;
  readonly needsVa: boolean;
  readonly needsFd: boolean;
  readonly unmapShape: 'superset' | 'exact';
  readonly concurrent: boolean;
  mapDmaBatch?: NonNullable<DmaTarget['mapDmaBatch']>;
  unmapDmaBatch?: NonNullable<DmaTarget['unmapDmaBatch']>;
  /** How many calls came together, each time that several did. */
  readonly batches: number[] = [];
  /** Every map that was asked for, those that failed too. */
  readonly requests: DmaMapRequest[] = [];
  /** Sentences on each call that broke the contract. */
  readonly violations: string[] = [];
  readonly #calls: FakeCalls;
  readonly #reply: 'sync' | 'async' | (() => Promise<void>);
  #held: MemoryRange[] = [];
  #busyWith: string | undefined;

  constructor(options: RecordingTargetOptions = {}) {
    this.name = options.name ?? 'T';
    this.needsVa = options.needsVa ?? false;
    this.needsFd = options.needsFd ?? false;
    this.unmapShape = options.unmapShape ?? 'superset';
    this.#reply = options.reply ?? 'sync';
    this.concurrent = options.concurrent ?? false;
    this.#calls = new FakeCalls(this.name, options.journal);
    if (options.together === true) {
      this.mapDmaBatch = (requests) => this.#together(requests, (request) => this.mapDma(request));
      this.unmapDmaBatch = (ranges) => this.#together(ranges, (range) => this.unmapDma(range));
    }
  }

  /** `'map 0x0-0x4000 rw'`, `'map 0x0-0x4000 ro'`, `'unmap 0x0-0x4000'`; a failed one ends in `' -> EIO'`. */
  get calls(): readonly string[] {
    return this.#calls.texts;
  }

  /** What is mapped now, ascending, by the contract: a failed map left nothing, a failed unmap everything. */
  held(): readonly MemoryRange[] {
    return [...this.#held];
  }

  /** For `Attachment.verify()`. */
  mappedRanges(): readonly MemoryRange[] {
    return this.held();
  }

  /** The calls since the last time that this was asked. */
  takeCalls(): string[] {
    return this.#calls.take();
  }

  /** Makes the call of that number, counted from 0 since the calls were last taken, fail with `code`. */
  failCall(number: number, code = 'EIO'): this {
    this.#calls.failCall(number, code);
    return this;
  }

  /** Makes every map, every unmap, or every call whose text starts like this fail, until {@link mend}. */
  failAll(prefix: 'map' | 'unmap' | '' | `map ${string}` | `unmap ${string}` = '', code = 'EIO'): this {
    this.#calls.failAll(prefix, code);
    return this;
  }

  /** From now on nothing fails. */
  mend(): this {
    this.#calls.mend();
    return this;
  }

  mapDma(request: DmaMapRequest): void | Promise<void> {
    const { range, region, writable } = request;
    this.requests.push(request);
    this.#expect(!this.needsVa || request.hostVa !== undefined, `map ${range} came without a host VA`);
    this.#expect(!this.needsFd || request.mappable !== undefined, `map ${range} came without a mappable`);
    const inTheWay = this.#held.find((held) => held.overlaps(range));
    this.#expect(inTheWay === undefined, `map ${range} overlaps ${inTheWay}, which is mapped`);
    return this.#serve(`map ${range} ${writable ? 'rw' : 'ro'}`, { request: 'MAP', range, region }, () => {
      this.#held = [...this.#held, range].sort((a, b) => a.startPage - b.startPage);
    });
  }

  unmapDma(range: MemoryRange): void | Promise<void> {
    const touched = this.#held.filter((held) => held.overlaps(range));
    const cut = touched.find((held) => !range.contains(held));
    this.#expect(cut === undefined, `unmap ${range} cuts ${cut}`);
    if (this.unmapShape === 'exact') {
      this.#expect(touched.length === 1 && touched[0]?.equals(range) === true, `unmap ${range} is not one map`);
    }
    return this.#serve(`unmap ${range}`, { request: 'UNMAP', range }, () => {
      this.#held = this.#held.filter((held) => !held.overlaps(range));
    });
  }

  #together<T>(
    items: readonly T[],
    call: (item: T) => void | Promise<void>,
  ): BatchStop | undefined | Promise<BatchStop | undefined> {
    this.batches.push(items.length);
    let done = 0;
    const stopped = (error: unknown): BatchStop => {
      if (done === 0) {
        throw error; // As good as saying so.
      }
      return { done, error };
    };
    const goOn = async (first: Promise<void>): Promise<BatchStop | undefined> => {
      try {
        await first;
        for (done += 1; done < items.length; done++) {
          await call(items[done] as T);
        }
        return undefined;
      } catch (error) {
        return stopped(error);
      }
    };
    try {
      for (; done < items.length; done++) {
        const answer = call(items[done] as T);
        if (answer !== undefined) {
          return goOn(answer);
        }
      }
      return undefined;
    } catch (error) {
      return stopped(error);
    }
  }

  #serve(
    call: string,
    details: { readonly request: string; readonly range: MemoryRange; readonly region?: string },
    apply: () => void,
  ): void | Promise<void> {
    this.#expect(this.#busyWith === undefined, `${call} came before ${this.#busyWith} had settled`);
    const code = this.#calls.record(call);
    const settle = (): void => {
      this.#busyWith = undefined;
      if (code !== undefined) {
        throw new DmaError('made to fail', { code, syscall: 'ioctl', target: this.name, ...details });
      }
      apply();
    };
    if (this.#reply === 'sync') {
      settle();
      return undefined;
    }
    this.#busyWith = call;
    return (this.#reply === 'async' ? nextTurn() : this.#reply()).then(settle);
  }

  #expect(kept: boolean, violation: string): void {
    if (!kept) {
      this.violations.push(violation);
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
