import {
  DmaError,
  type HostVa,
  type MapChange,
  type MemoryRange,
  type ReleaseFailure,
  type VaMapper,
} from '../streams/index.js';
import { checkOneOf, printable, RangeMap, sameMapping } from '../streams/internal.js';
import { CallRecord } from './call-record.js';
import { checkNames } from './checks.js';
import { FailingFake } from './failing-fake.js';

/** The host address of guest address 0. */
const BASE = 0x7f00_0000_0000n;

/** Options of a `FakeVaMapper`. */
export interface FakeVaMapperOptions {
  /** Receives the text of each call: `'va: ensure 0x0-0x4000'`. May be shared with targets. */
  readonly journal?: string[] | undefined;
  /**
   * `'none'` (the default): no batch methods. `'sync'`: `ensureMappedBatch` and `releaseBatch` end at once. `'async'`: a batch of releases
   * ends later, by a promise.
   */
  readonly batches?: 'none' | 'sync' | 'async';
}

/**
 * A VA mapper without memory, for tests. Host address = a constant + guest address; no native code accepts these addresses.
 *
 * It keeps the contract of `VaMapper`, and refuses each call that breaches it: an address for a range that another mapping has or that is being
 * released, a release of what has no address. Such a call fails with the code `ERR_CONTRACT` and is described in `violations`. It fails on plan:
 * `failCall`, `failRange`, `failAll`, `failWhen`.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { addRam, FakeVaMapper, RecordingTarget } from 'dma-streams/testing';
 *
 * const vaMapper = new FakeVaMapper();
 * const manager = new RegionManager({ vaMapper });
 * await manager.attach(new RecordingTarget({ needsVa: true }));
 * await addRam(manager, '0x0-0x4000');
 * console.log(vaMapper.calls); // [ 'ensure 0x0-0x4000' ]
 * ```
 */
export class FakeVaMapper extends FailingFake implements VaMapper {
  /** `'va'`, in the journal. */
  readonly name = 'va';
  /** The size of each batch: `'ensure 3'`, `'release 1'`. */
  readonly batches: string[] = [];
  ensureMappedBatch?: (changes: readonly MapChange[]) => readonly (HostVa | Error)[];
  releaseBatch?: (
    ranges: readonly MemoryRange[],
  ) => readonly ReleaseFailure[] | undefined | Promise<readonly ReleaseFailure[] | undefined>;
  /** Ranges whose release has not ended yet. */
  #leaving: readonly MemoryRange[] = [];
  readonly #held = new RangeMap<Held>();

  /** @throws TypeError for an option that does not exist, or has the wrong type */
  constructor(options: FakeVaMapperOptions = {}) {
    const { journal, batches = 'none' } = options;
    super(new CallRecord('va', journal), 'ENOMEM');
    checkNames(options, ['journal', 'batches'], 'FakeVaMapper');
    checkOneOf(batches, ['none', 'sync', 'async'], 'batches of FakeVaMapper');
    if (batches !== 'none') {
      this.ensureMappedBatch = (changes) => this.#ensureEach(changes);
      this.releaseBatch = (ranges) => {
        this.batches.push(`release ${ranges.length}`);
        return batches === 'async' ? this.#releaseLater(ranges) : this.#releaseEach(ranges);
      };
    }
  }

  /** The ranges that have an address, in ascending order. */
  held(): readonly MemoryRange[] {
    return this.#held.toArray().map(({ range }) => range);
  }

  ensureMapped(change: MapChange): HostVa {
    const { range, region } = change;
    const text = `ensure ${range}`;
    const held = this.#heldAt(range);
    const breach = this.#breachOfEnsure(text, change, held);
    const code = this.record.record({ kind: 'ensure', range, text }, this.#noted(breach));
    if (code !== undefined) {
      throw new DmaError(breach ?? 'failed on plan', { code, syscall: 'mmap', region, range });
    }
    if (held !== undefined) {
      return held.hostVa;
    }
    const hostVa = { address: BASE + range.start };
    this.#held.insert({ range, change, hostVa });
    return hostVa;
  }

  release(range: MemoryRange): void {
    const text = `release ${range}`;
    const breach = this.#heldAt(range) !== undefined ? undefined : `${text} is not a range that has an address`;
    const code = this.record.record({ kind: 'release', range, text }, this.#noted(breach));
    if (code !== undefined) {
      throw new DmaError(breach ?? 'failed on plan', { code, syscall: 'mmap', range });
    }
    this.#held.remove(range);
  }

  #heldAt(range: MemoryRange): Held | undefined {
    const held = this.#held.startingAt(range.startPage);
    return held?.range.equals(range) === true ? held : undefined;
  }

  #breachOfEnsure(text: string, change: MapChange, held: Held | undefined): string | undefined {
    const { range } = change;
    const leaving = this.#leaving.find((other) => other.overlaps(range));
    if (leaving !== undefined) {
      return `${text} overlaps ${leaving}, whose release has not ended`;
    }
    if (held !== undefined) {
      return sameMapping(held.change, change) ? undefined : `${text} is the range of another mapping`;
    }
    const inTheWay = this.#held.firstOverlap(range);
    return inTheWay === undefined ? undefined : `${text} overlaps ${inTheWay.range}, which has an address`;
  }

  /** Notes a breach, and returns its error code. */
  #noted(breach: string | undefined): string | undefined {
    if (breach === undefined) {
      return undefined;
    }
    this.violations.push(breach);
    return 'ERR_CONTRACT';
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

  /** Ends later, but in the same turn of the event loop, which is faster. */
  async #releaseLater(ranges: readonly MemoryRange[]): Promise<readonly ReleaseFailure[] | undefined> {
    this.#leaving = [...this.#leaving, ...ranges];
    for (let wait = 0; wait < 5; wait++) {
      await Promise.resolve();
    }
    this.#leaving = this.#leaving.filter((range) => !ranges.includes(range));
    return this.#releaseEach(ranges);
  }
}

printable(FakeVaMapper, (mapper) => ({
  held: mapper.held(),
  calls: mapper.calls.length,
  violations: mapper.violations,
}));

interface Held {
  readonly range: MemoryRange;
  readonly change: MapChange;
  readonly hostVa: HostVa;
}
