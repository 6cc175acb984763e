import {
  DmaError,
  type HostVa,
  type MapChange,
  type MemoryRange,
  type ReleaseFailure,
  type VaMapper,
} from '../../streams/index.js';
import { FakeCalls } from './fake-calls.js';

/** Where the pretended reservation starts: address = base + GPA. */
const BASE = 0x7f00_0000_0000n;

/** How a VA mapper takes sets: not at all; at once; or so that what it releases is gone only later. */
export type Sets = 'one by one' | 'together' | 'later';

export const EVERY_WAY: readonly Sets[] = ['one by one', 'together', 'later'];

/** A suite for each way in which a VA mapper takes sets: all of it holds for all of them. */
export function describeForEveryWay(title: string, suite: (sets: Sets) => void): void {
  for (const sets of EVERY_WAY) {
    describe(`${title}, with a VA mapper that takes sets ${sets}`, () => {
      suite(sets);
    });
  }
}

/**
 * A VA mapper that keeps books. What its caller did against the contract of `VaMapper` is in `violations`, because an error
 * thrown at the caller could be mistaken for a mapper that fails.
 */
export class FakeVaMapper implements VaMapper {
  /** Sentences on each call that broke the contract. */
  readonly violations: string[] = [];
  /** How many there were in each set that it was given. */
  readonly batches: string[] = [];
  ensureMappedBatch?: (changes: readonly MapChange[]) => readonly (HostVa | Error)[];
  releaseBatch?: (
    ranges: readonly MemoryRange[],
  ) => readonly ReleaseFailure[] | undefined | Promise<readonly ReleaseFailure[] | undefined>;
  readonly #calls: FakeCalls;
  /** What is being released. */
  #leaving: readonly MemoryRange[] = [];
  readonly #held = new Map<string, { readonly change: MapChange; readonly hostVa: HostVa }>();

  constructor({
    journal,
    sets = 'one by one',
  }: { readonly journal?: string[] | undefined; readonly sets?: Sets } = {}) {
    this.#calls = new FakeCalls('va', journal);
    if (sets !== 'one by one') {
      this.ensureMappedBatch = (changes) => this.#ensureEach(changes);
      this.releaseBatch = (ranges) => {
        this.batches.push(`release ${ranges.length}`);
        return sets === 'later' ? this.#releaseLater(ranges) : this.#releaseEach(ranges);
      };
    }
  }

  /** `'ensure 0x0-0x4000'`, also when it was held already, and `'release 0x0-0x4000'`; a failed one ends in `' -> ENOMEM'`. */
  get calls(): readonly string[] {
    return this.#calls.texts;
  }

  /** The calls since the last time that this was asked. */
  takeCalls(): string[] {
    return this.#calls.take();
  }

  /** What has an address now, ascending. */
  held(): readonly MemoryRange[] {
    return [...this.#held.values()].map(({ change }) => change.range).sort((a, b) => a.startPage - b.startPage);
  }

  /** Makes the call of that number, counted from 0 since the calls were last taken, fail with `code`. */
  failCall(number: number, code = 'ENOMEM'): this {
    this.#calls.failCall(number, code);
    return this;
  }

  /** Makes every ensure, every release, or every call whose text starts like this fail, until {@link mend}. */
  failAll(prefix: 'ensure' | 'release' | '' | `ensure ${string}` | `release ${string}` = '', code = 'ENOMEM'): this {
    this.#calls.failAll(prefix, code);
    return this;
  }

  /** From now on nothing fails. */
  mend(): this {
    this.#calls.mend();
    return this;
  }

  ensureMapped(change: MapChange): HostVa {
    const { range, region } = change;
    const code = this.#calls.record(`ensure ${range}`);
    const held = this.#held.get(range.toString());
    const leaving = this.#leaving.find((other) => other.overlaps(range));
    this.#expect(leaving === undefined, `ensure ${range} overlaps ${leaving}, which is being released`);
    if (held !== undefined) {
      this.#expect(sameMapping(held.change, change), `ensure ${range}: another mapping holds that range`);
    } else {
      const inTheWay = this.held().find((other) => other.overlaps(range));
      this.#expect(inTheWay === undefined, `ensure ${range} overlaps ${inTheWay}, which is held`);
    }
    if (code !== undefined) {
      throw new DmaError('made to fail', { code, syscall: 'mmap', region, range });
    }
    if (held !== undefined) {
      return held.hostVa;
    }
    const hostVa = { address: BASE + range.start };
    this.#held.set(range.toString(), { change, hostVa });
    return hostVa;
  }

  release(range: MemoryRange): void {
    const code = this.#calls.record(`release ${range}`);
    this.#expect(this.#held.has(range.toString()), `release ${range}, which is not held`);
    if (code !== undefined) {
      throw new DmaError('made to fail', { code, syscall: 'mmap', range });
    }
    this.#held.delete(range.toString());
  }

  #ensureEach(changes: readonly MapChange[]): (HostVa | Error)[] {
    this.batches.push(`ensure ${changes.length}`);
    return changes.map((change) => {
      try {
        return this.ensureMapped(change);
      } catch (error) {
        return error as Error;
      }
    });
  }

  #releaseEach(ranges: readonly MemoryRange[]): readonly ReleaseFailure[] | undefined {
    const failures = ranges.flatMap((range) => {
      try {
        this.release(range);
        return [];
      } catch (error) {
        return [{ range, error }];
      }
    });
    return failures.length === 0 ? undefined : failures;
  }

  /** Later, but within this turn of the event loop: there are many runs. */
  async #releaseLater(ranges: readonly MemoryRange[]): Promise<readonly ReleaseFailure[] | undefined> {
    this.#leaving = [...this.#leaving, ...ranges];
    for (let wait = 0; wait < 5; wait++) {
      await Promise.resolve();
    }
    this.#leaving = this.#leaving.filter((range) => !ranges.includes(range));
    return this.#releaseEach(ranges);
  }

  #expect(kept: boolean, violation: string): void {
    if (!kept) {
      this.violations.push(violation);
    }
  }
}

function sameMapping(a: MapChange, b: MapChange): boolean {
  if (a.writable !== b.writable || a.type !== b.type) {
    return false;
  }
  if (a.backing === 'private' || b.backing === 'private') {
    return a.backing === b.backing;
  }
  return a.backing.mappable === b.backing.mappable && a.backing.fileOffset === b.backing.fileOffset;
}
