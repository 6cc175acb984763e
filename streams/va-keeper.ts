import { mapChangeLike } from './map-change.js';
import type { MapChange } from './change-set.js';
import { sameMapping, type Difference } from './difference.js';
import { occupiedError } from './draft-errors.js';
import { EnsuredVas } from './ensured-vas.js';
import { DmaError } from './errors.js';
import { Turn } from './event-loop.js';
import type { MemoryRange } from './memory-range.js';
import { PrivateMemory, type PrivateEdits } from './private-memory.js';
import { RangeMap } from './range-map.js';
import type { VaMapper } from './va-mapper.js';
import type { View } from './view.js';

const NONE: readonly MapChange[] = [];
const NOTHING = { made: NONE, ended: NONE };

/** VAs that are released together, at most. */
const TOGETHER = 1024;

/** When what is being released is gone; nothing when it is already. It never rejects. To be waited for before anything is mapped there. */
export type Pending = Promise<void> | undefined;

/**
 * The manager's side of host virtual addresses: makes private memory, and releases every VA once nobody can be using it.
 *
 * A VA is released when its mapping has left the view and no target has it stuck. Private memory keeps its VA, and with it its
 * contents, for as long as its mapping is in a region, visible or not.
 */
export class VaKeeper {
  readonly privates = new PrivateMemory();
  /** Those of the transaction under way, once their memory has been made. */
  #made: PrivateEdits | undefined = undefined;
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
   * Whether a transaction may do to private memory what it does: nothing else is, was or comes to be active there. Makes and releases
   * nothing.
   *
   * @throws DmaError `ERR_PRIVATE_MEMORY`
   */
  check(edits: PrivateEdits | undefined, change: Difference): void {
    if (edits === undefined && this.privates.size === 0) {
      return;
    }
    const { made, ended } = edits?.net() ?? NOTHING;
    const gone = new RangeMap<MapChange>();
    for (const mapping of ended) {
      gone.insert(mapping);
    }
    for (const mapping of change.maps) {
      if (mapping.backing !== 'private') {
        const owner = (edits ?? this.privates).overlapping(mapping.range)[0] ?? gone.firstOverlap(mapping.range);
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
    }
  }

  /**
   * Makes the private memory that a transaction adds, after `check`. `commit` or `discard` is to follow.
   *
   * On failure: nothing is made.
   *
   * @throws DmaError
   */
  make(edits: PrivateEdits): void {
    const vas = this.#vas;
    if (vas === undefined) {
      return;
    }
    const { made } = edits.net();
    const done: MapChange[] = [];
    try {
      for (const mapping of made) {
        vas.checkFree(mapping);
        vas.ensure(mapping);
        done.push(mapping);
      }
    } catch (error) {
      vas.releaseUnused(
        done.map(({ range }) => range),
        this.#warn,
      );
      throw error;
    }
    for (const mapping of edits.added) {
      // It carries its VA wherever it is told of.
      Object.assign(mapping, { hostVa: vas.at(mapping.range) });
    }
    this.#made = edits;
  }

  /** The maps, with the VA of private memory on them. */
  withVas(maps: readonly MapChange[]): readonly MapChange[] {
    return this.privates.size === 0 && this.#made === undefined ? maps : maps.map((mapping) => this.#withVa(mapping));
  }

  /** The transaction takes effect: releases private memory that it has ended. */
  commit(edits: PrivateEdits): Pending {
    const { ended } = edits.net();
    this.#made = undefined;
    this.privates.commit(edits);
    return this.release(ended);
  }

  /** The transaction does not take effect: takes back what `make` has made. */
  discard(): Pending {
    const made = this.#made?.net().made ?? NONE;
    this.#made = undefined;
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

  /** By the state before the transaction under way, or by what that has made. */
  #isInUse(mapping: MapChange): boolean {
    if (this.#closed) {
      return false;
    }
    if (mapping.backing !== 'private') {
      const active = this.#view.at(mapping.range);
      return active !== undefined && sameMapping(active, mapping);
    }
    return this.privates.has(mapping.range) || this.#made?.adds(mapping.range) === true;
  }

  #withVa(mapping: MapChange): MapChange {
    const hostVa = mapping.backing === 'private' ? this.#vas?.at(mapping.range) : undefined;
    return hostVa === undefined ? mapping : mapChangeLike(mapping, { hostVa });
  }
}
