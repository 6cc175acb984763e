import { DmaError, type HostVa, type MapChange, type MemoryRange, type VaMapper } from '../../streams/index.js';
import { FakeCalls } from './fake-calls.js';

/** Where the pretended reservation starts: address = base + GPA. */
const BASE = 0x7f00_0000_0000n;

/**
 * A VA mapper that keeps books. What its caller did against the contract of `VaMapper` is in `violations`, because an error
 * thrown at the caller could be mistaken for a mapper that fails.
 */
export class FakeVaMapper implements VaMapper {
  /** Sentences on each call that broke the contract. */
  readonly violations: string[] = [];
  readonly #calls: FakeCalls;
  readonly #held = new Map<string, { readonly change: MapChange; readonly hostVa: HostVa }>();

  constructor(options: { readonly journal?: string[] } = {}) {
    this.#calls = new FakeCalls('va', options.journal);
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
