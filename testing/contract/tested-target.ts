import type { DmaMapRequest, DmaTarget, HostVa, MapChange, MemoryRange, VaMapper } from '../../streams/index.js';
import { isPromiseLike, show, toAnswer } from '../../streams/internal.js';
import { ContractError, listText, thrownText, type Steps } from './contract-error.js';
import { isHeld, type Held } from './look.js';

/** The methods of a target that take one argument. */
type Method = 'mapDma' | 'unmapDma' | 'mapDmaBatch' | 'unmapDmaBatch' | 'checkMaps';

/** The generation of the sets that consist of one direct call. */
const GENERATION = 1;

/** A target under test, called as the library calls it, and compared with what it should hold. */
export class TestedTarget {
  readonly target: DmaTarget;
  readonly steps: Steps;
  readonly #look: () => Promise<unknown>;
  readonly #vaMapper: () => VaMapper;
  readonly #addresses = new Map<string, MemoryRange>();
  /** What the direct calls of the check have mapped. */
  #mapped: MemoryRange[] = [];
  /** Number of maps at the start, where the target counts them. */
  #others = 0;

  constructor(target: DmaTarget, steps: Steps, look: () => Promise<unknown>, vaMapper: () => VaMapper) {
    this.target = target;
    this.steps = steps;
    this.#look = look;
    this.#vaMapper = vaMapper;
  }

  /** The ranges that the direct calls have mapped. */
  get mapped(): readonly MemoryRange[] {
    return this.#mapped;
  }

  /** Notes how many maps the target counts before its first one. */
  async begin(): Promise<this> {
    const held = await this.#seen();
    this.#others = typeof held === 'number' ? held : 0;
    if (Array.isArray(held) && held.length > 0) {
      throw this.steps.breach(`a new target must hold nothing, but it holds ${listText(held)}`);
    }
    return this;
  }

  /** The request for a map, with a host address if the target needs it or the memory is private. */
  requestOf(change: MapChange): DmaMapRequest {
    const { range, region, type, writable, backing } = change;
    const file = backing === 'private' ? { fileOffset: 0n } : backing;
    const address =
      this.target.needsVa === true || backing === 'private' ? { hostVa: this.#addressOf(change) } : undefined;
    return { range, region, type, writable, ...file, ...address };
  }

  /** Maps, which must succeed. */
  async map(change: MapChange): Promise<void> {
    await this.call('mapDma', this.requestOf(change));
    this.#mapped.push(change.range);
  }

  async mapEach(changes: readonly MapChange[]): Promise<void> {
    for (const change of changes) {
      await this.map(change);
    }
  }

  /** Unmaps, which must succeed. */
  async unmap(range: MemoryRange): Promise<void> {
    await this.call('unmapDma', range);
    this.forget(range);
  }

  /** Unmaps what the direct calls have left, map by map, in the opposite order. */
  async empty(): Promise<void> {
    for (const range of this.#mapped.toReversed()) {
      await this.unmap(range);
    }
  }

  /** Records that another call has made these maps. */
  remember(ranges: readonly MemoryRange[]): void {
    this.#mapped.push(...ranges);
  }

  /** Records that the maps inside a range are gone, and releases their addresses. */
  forget(range: MemoryRange): void {
    this.#mapped = this.#mapped.filter((one) => !range.contains(one));
    for (const [text, one] of this.#addresses) {
      if (range.contains(one)) {
        this.#addresses.delete(text);
        this.#vaMapper().release(one);
      }
    }
  }

  /** Makes a call that must succeed, and returns its result. */
  async call(method: Method, argument: unknown): Promise<unknown> {
    try {
      return await this.attempt(method, argument, (result) => result);
    } catch (error) {
      throw error instanceof ContractError
        ? error
        : this.steps.breach(`${callText(method, argument)} must succeed, but failed: ${thrownText(error)}`, error);
    }
  }

  /**
   * Makes a call, as a set of its own. Returns what `atEnd` returns, which is called with the result when the call has ended: synchronously if it ends at once or
   * by an observable.
   *
   * @throws what the call failed with
   */
  async attempt<T>(method: Method, argument: unknown, atEnd: (result: unknown) => T): Promise<Awaited<T>> {
    this.steps.begin(callText(method, argument));
    return await this.inSet(async () => {
      const returned = this.start(method, argument);
      const answer = toAnswer(returned);
      if (!isPromiseLike(answer)) {
        if (answer === returned && returned !== undefined && !method.endsWith('Batch')) {
          throw this.steps.breach(
            `${method} must return nothing, a promise or an observable, but it returned ${show(returned)}`,
          );
        }
        return await atEnd(answer);
      }
      return await answer.then(atEnd);
    });
  }

  /** Makes calls between `beginSet` and `endSet`, if the target has them. Both must succeed. */
  async inSet<T>(calls: () => Promise<T>): Promise<T> {
    await this.#tell('beginSet');
    try {
      return await calls();
    } finally {
      await this.#tell('endSet');
    }
  }

  async #tell(hook: 'beginSet' | 'endSet'): Promise<void> {
    if (this.target[hook] === undefined) {
      return;
    }
    try {
      await toAnswer(this.target[hook](GENERATION));
    } catch (error) {
      throw this.steps.breach(`${hook}(${GENERATION}) must succeed, but failed: ${thrownText(error)}`, error);
    }
  }

  /** Calls a method, and returns what it returns. */
  start(method: Method, argument: unknown): unknown {
    return (this.target[method] as (value: unknown) => unknown).call(this.target, argument);
  }

  /** Compares what the target holds with what the direct calls have mapped. */
  async holdsMapped(): Promise<void> {
    await this.holds(this.#mapped);
  }

  /**
   * Compares what the target holds with what it should hold. Cannot see anything where the sight is `'calls'`.
   *
   * @param when for the message. Default: after the last step
   */
  async holds(expected: readonly MemoryRange[], when = `after "${this.steps.last}"`): Promise<void> {
    this.compare(await this.read(), expected, when);
  }

  /** What the target holds. The target is asked synchronously. */
  async read(): Promise<Held> {
    const held = await this.#seen();
    return typeof held === 'number' ? held - this.#others : held;
  }

  compare(held: Held, expected: readonly MemoryRange[], when: string): void {
    const should = `${when} the target must hold ${listText(sorted(expected))}`;
    if (typeof held === 'number') {
      if (held !== expected.length) {
        throw this.steps.breach(`${should}, but it counts ${held} maps`);
      }
      return;
    }
    if (held !== undefined && textOf(held) !== textOf(expected)) {
      const missing = without(expected, held);
      const surplus = without(held, expected);
      const differences = [
        ...(missing.length === 0 ? [] : [`lacks ${listText(missing)}`]),
        ...(surplus.length === 0 ? [] : [`also holds ${listText(surplus)}`]),
      ];
      throw this.steps.breach(`${should}, but it ${differences.join(' and ') || 'lists a map twice'}`);
    }
  }

  async #seen(): Promise<Held> {
    let held: unknown;
    try {
      held = await this.#look();
    } catch (error) {
      throw this.steps.breach(`the target must say what it holds, but failed: ${thrownText(error)}`, error);
    }
    if (isHeld(held)) {
      return held;
    }
    const kinds = 'an array of MemoryRange (mappedRanges, the option held) or a number (mappedCount)';
    throw this.steps.breach(`what the target holds must be ${kinds}, but it is ${show(held)}`);
  }

  #addressOf(change: MapChange): HostVa {
    this.#addresses.set(change.range.toString(), change.range);
    return this.#vaMapper().ensureMapped(change);
  }
}

/** `'mapDma(0x0-0x1000 rw)'`, `'unmapDmaBatch(0x0-0x1000, 0x2000-0x3000)'`. */
export function callText(method: string, argument: unknown): string {
  const items: readonly unknown[] = Array.isArray(argument) ? argument : [argument];
  const texts = items.map((item) => {
    const { range, writable, type } = item as DmaMapRequest;
    return (range as MemoryRange | undefined) === undefined
      ? String(item)
      : `${range} ${writable ? 'rw' : 'ro'}${type === 'device' ? ' device' : ''}`;
  });
  return `${method}(${texts.join(', ')})`;
}

function sorted(ranges: readonly MemoryRange[]): readonly MemoryRange[] {
  return ranges.toSorted((a, b) => a.startPage - b.startPage || a.endPage - b.endPage);
}

function textOf(ranges: readonly MemoryRange[]): string {
  return sorted(ranges).join();
}

/** The ranges of `all` that are not in `others`, ascending. */
function without(all: readonly MemoryRange[], others: readonly MemoryRange[]): readonly MemoryRange[] {
  return sorted(all).filter((range) => !others.some((other) => other.equals(range)));
}
