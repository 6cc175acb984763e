import { mapChangeLike } from './map-change.js';
import type { MapChange } from './change-set.js';
import { sameMapping, sameMemory, type Difference } from './difference.js';
import type { RegionEdits } from './region-edits.js';
import { occupiedError } from './draft-errors.js';
import { EnsuredVas } from './ensured-vas.js';
import { DmaError } from './errors.js';
import { Turn } from './event-loop.js';
import type { MemoryRange } from './memory-range.js';
import { RangeMap } from './range-map.js';
import type { VaMapper } from './va-mapper.js';
import type { View } from './view.js';

const NONE: readonly MapChange[] = [];

/** VAs that are released together, at most. */
const TOGETHER = 1024;

/** When what is being released is gone; nothing when it is already. It never rejects. To be waited for before anything is mapped there. */
export type Pending = Promise<void> | undefined;

/** What one transaction does to private memory. */
interface PrivateEdits {
  readonly made: readonly MapChange[];
  readonly ended: readonly MapChange[];
}

/**
 * The manager's side of host virtual addresses: makes private memory, and releases every VA once nobody can be using it.
 *
 * A VA is released when its mapping has left the view and no target has it stuck. Private memory keeps its VA, and with it its
 * contents, for as long as its mapping is in a region, visible or not.
 */
export class VaKeeper {
  /** All private memory, by address. Edits change it at once. */
  readonly privates = new RangeMap<MapChange>();
  readonly #vas: EnsuredVas | undefined;
  readonly #view: View;
  readonly #isStuck: (range: MemoryRange) => boolean;
  readonly #warn: (warning: DmaError) => void;
  #closed = false;

  constructor(options: {
    readonly mapper: VaMapper | undefined;
    readonly view: View;
    readonly isStuck: (range: MemoryRange) => boolean;
    readonly warn: (warning: DmaError) => void;
  }) {
    this.#vas = options.mapper === undefined ? undefined : EnsuredVas.of(options.mapper);
    this.#vas?.own();
    this.#view = options.view;
    this.#isStuck = options.isStuck;
    this.#warn = options.warn;
  }

  /** @throws DmaError when there is nothing that could make private memory */
  checkMapper(region: string, range: MemoryRange): void {
    if (this.#vas === undefined) {
      throw new DmaError('private memory needs a VA mapper, and this manager has none', {
        code: 'ERR_NO_VA_MAPPER',
        region,
        range,
        hint: 'new RegionManager({ vaMapper: new AddressSpace({ size }) })',
      });
    }
  }

  /**
   * Makes the private memory that a transaction adds, after checking that nothing else is, was or comes to be active there.
   *
   * On failure: nothing is made.
   *
   * @returns what was added and ended, and the maps with the VA of private memory on them
   * @throws DmaError
   */
  prepare(
    { edits, touchesPrivate }: { readonly edits: Iterable<RegionEdits>; readonly touchesPrivate: boolean },
    change: Difference,
  ): PrivateEdits & { readonly maps: readonly MapChange[] } {
    if (this.privates.size === 0 && !touchesPrivate) {
      return { made: NONE, ended: NONE, maps: change.maps };
    }
    const { made, ended, added } = touchesPrivate
      ? this.#privateEdits(edits)
      : { made: NONE, ended: NONE, added: NONE };
    this.#checkAlone(made, ended, change);
    const done: MapChange[] = [];
    try {
      for (const mapping of made) {
        this.#vas?.ensure(mapping);
        done.push(mapping);
      }
      for (const mapping of added) {
        this.#placeVa(mapping);
      }
    } catch (error) {
      this.#vas?.releaseUnused(
        done.map(({ range }) => range),
        this.#warn,
      );
      throw error;
    }
    return { made, ended, maps: change.maps.map((mapping) => this.#withVa(mapping)) };
  }

  /** Takes back what `prepare` made. */
  discard({ made }: PrivateEdits): Pending {
    return this.release(made);
  }

  /** Releases the VAs of mappings that nobody uses any longer. What is stuck somewhere waits for `sweep`. */
  release(mappings: readonly { readonly range: MemoryRange }[]): Pending {
    if (this.#vas === undefined || this.#vas.size === 0 || mappings.length === 0) {
      return undefined;
    }
    return mappings.length > TOGETHER
      ? this.#releaseInTurns(this.#vas, mappings)
      : this.#releaseTogether(this.#vas, mappings);
  }

  #releaseTogether(vas: EnsuredVas, mappings: readonly { readonly range: MemoryRange }[]): Pending {
    const ranges: MemoryRange[] = [];
    for (const { range } of mappings) {
      if (!this.#isStuck(range)) {
        ranges.push(range);
      }
    }
    return vas.release(ranges, this.#warn);
  }

  /** Lets the event loop go on now and then. */
  async #releaseInTurns(vas: EnsuredVas, mappings: readonly { readonly range: MemoryRange }[]): Promise<void> {
    const turn = new Turn(1);
    for (let first = 0; first < mappings.length; first += TOGETHER) {
      await this.#releaseTogether(vas, mappings.slice(first, first + TOGETHER));
      await turn.pause();
    }
  }

  /** As `release`, of file backings alone: private memory outlives its place in the view. */
  releaseFiles(mappings: readonly MapChange[]): Pending {
    return this.#vas === undefined || this.#vas.size === 0
      ? undefined
      : this.release(mappings.filter(({ backing }) => backing !== 'private'));
  }

  /** Releases what is held over these ranges, or anywhere, and belongs neither to the view nor to private memory. */
  sweep(ranges?: readonly MemoryRange[]): Pending {
    const vas = this.#vas;
    if (vas === undefined || vas.size === 0) {
      return undefined;
    }
    const held = ranges === undefined ? vas.mappings() : ranges.flatMap((range) => vas.overlapping(range));
    return this.release(held.filter((mapping) => !this.#isInUse(mapping)));
  }

  /** What is held now, for `releaseSince`. */
  mark(): number {
    return this.#vas?.mark ?? 0;
  }

  /** Releases what has been ensured since. */
  releaseSince(mark: number): Pending {
    return this.release(this.#vas?.mappingsSince(mark) ?? NONE);
  }

  /** Releases everything but what is stuck. */
  close(): Pending {
    this.#closed = true;
    return this.release(this.#vas?.mappings() ?? NONE);
  }

  #isInUse(mapping: MapChange): boolean {
    if (this.#closed) {
      return false;
    }
    if (mapping.backing !== 'private') {
      const active = this.#view.at(mapping.range);
      return active !== undefined && sameMapping(active, mapping);
    }
    return this.privates.startingAt(mapping.range.startPage)?.range.equals(mapping.range) === true;
  }

  /** Private memory that was removed and added again at the same place is the same memory. */
  #privateEdits(edits: Iterable<RegionEdits>): PrivateEdits & { readonly added: readonly MapChange[] } {
    const made = new RangeMap<MapChange>();
    const ended = new RangeMap<MapChange>();
    for (const { state, added, removed, presentBefore } of edits) {
      for (const mapping of added) {
        if (this.privates.startingAt(mapping.range.startPage) === mapping) {
          made.insert(mapping);
        }
      }
      if (this.#vas === undefined || this.#vas.size === 0) {
        continue;
      }
      // What was never made does not end: a VA of the same range would be that of somebody else.
      const fresh = new Set(added);
      const gone = presentBefore && !state.present ? [...removed, ...state.mappings] : removed;
      for (const mapping of gone) {
        if (mapping.backing === 'private' && !fresh.has(mapping) && this.#vas.holdsPrivate(mapping.range)) {
          ended.replace(mapping);
        }
      }
    }
    const all = [...made];
    for (const mapping of all) {
      const before = ended.startingAt(mapping.range.startPage);
      if (before !== undefined && sameMemory(before, mapping) && before.writable === mapping.writable) {
        made.remove(mapping.range);
        ended.remove(mapping.range);
      }
    }
    return { made: [...made], ended: [...ended], added: all };
  }

  #checkAlone(made: readonly MapChange[], ended: readonly MapChange[], change: Difference): void {
    const gone = new RangeMap<MapChange>();
    for (const mapping of ended) {
      gone.replace(mapping);
    }
    for (const mapping of change.maps) {
      if (mapping.backing !== 'private') {
        const owner = this.privates.firstOverlap(mapping.range) ?? gone.firstOverlap(mapping.range);
        if (owner !== undefined) {
          throw occupiedError(mapping.region, mapping.range, owner);
        }
      }
    }
    for (const mapping of made) {
      const other = this.#view.firstOverlap(mapping.range) ?? gone.firstOverlap(mapping.range);
      if (other !== undefined) {
        throw occupiedError(mapping.region, mapping.range, other);
      }
      this.#vas?.checkFree(mapping);
    }
  }

  /** Private memory carries its VA wherever it is told of. */
  #placeVa(mapping: MapChange): void {
    Object.assign(mapping, { hostVa: this.#vas?.at(mapping.range) });
  }

  #withVa(mapping: MapChange): MapChange {
    const hostVa = mapping.backing === 'private' ? this.#vas?.at(mapping.range) : undefined;
    return hostVa === undefined ? mapping : mapChangeLike(mapping, { hostVa });
  }
}
