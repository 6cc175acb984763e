import { withChanges, sameMapping } from '../changes/mapping.js';
import { append } from '../util/lists.js';
import type { MapChange } from '../contracts/change-set.js';
import type { Difference } from '../view/difference.js';
import { privateMemoryError } from '../regions/edit-errors.js';
import { VaRegistry } from './va-registry.js';
import { DmaError } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { PrivateMemory, type PrivateEdits } from '../regions/private-memory.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices, filterInSlices, mapInSlices } from '../ranges/slices.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import type { RegistryOwner } from './va-errors.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import type { View } from '../view/view.js';

const NONE: readonly MapChange[] = [];
const NOTHING = { made: NONE, ended: NONE };

/** VAs that are released together, at most. */
const TOGETHER = 1024;

/** When what is being released is gone; nothing when it is already. It never rejects. To be waited for before anything is mapped there. */
export type Pending = Promise<void> | undefined;

/** The targets, as users of addresses. */
export interface VaUsers extends RegistryOwner {
  /** Whether `usersOf` finds anybody. */
  usesVa(range: MemoryRange): boolean;
}

/**
 * The manager's side of host virtual addresses: makes private memory, and releases every VA once nobody can be using it.
 *
 * A VA is released when its mapping has left the view and no target may still be using it. Private memory keeps its VA, and with it its
 * contents, for as long as its mapping is in a region, visible or not.
 */
export class VaOwner {
  readonly privates = new PrivateMemory();
  /** Those of the transaction under way, once their memory has been made. */
  #made: PrivateEdits | undefined = undefined;
  /** Absent also once the mapper has been given back. */
  #vas: VaRegistry | undefined;
  readonly #view: View;
  readonly #users: VaUsers;
  readonly #warn: (warning: DmaError) => void;
  #closed = false;

  constructor(options: {
    readonly mapper: VaMapper | undefined;
    readonly view: View;
    readonly users: VaUsers;
    readonly warn: (warning: DmaError) => void;
  }) {
    this.#vas = options.mapper === undefined ? undefined : VaRegistry.of(options.mapper);
    this.#vas?.claim(options.users);
    this.#view = options.view;
    this.#users = options.users;
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
  *check(edits: PrivateEdits | undefined, change: Difference): Coroutine<void> {
    if (edits === undefined && this.privates.size === 0) {
      return;
    }
    const { made, ended } = edits === undefined ? NOTHING : yield* edits.net();
    const gone = new RangeMap<MapChange>();
    yield* eachInSlices(ended, (mapping) => {
      gone.insert(mapping);
    });
    yield* eachInSlices(change.maps, (mapping) => {
      if (mapping.backing !== 'private') {
        const owner = (edits ?? this.privates).overlapping(mapping.range)[0] ?? gone.firstOverlap(mapping.range);
        if (owner !== undefined) {
          throw privateMemoryError(mapping.region, mapping.range, owner);
        }
      }
    });
    yield* eachInSlices(made, (mapping) => {
      const other = this.#view.firstOverlap(mapping.range) ?? gone.firstOverlap(mapping.range);
      if (other !== undefined) {
        throw privateMemoryError(mapping.region, mapping.range, other);
      }
    });
  }

  /**
   * Makes the private memory that a transaction adds, after `check`. `commit` or `discard` is to follow.
   *
   * On failure: nothing is made.
   *
   * @throws DmaError
   */
  *make(edits: PrivateEdits): Coroutine<void> {
    const vas = this.#vas;
    if (vas === undefined) {
      return;
    }
    const { made } = yield* edits.net();
    const done: MemoryRange[] = [];
    try {
      yield* eachInSlices(made, (mapping) => {
        vas.checkFree(mapping);
        vas.ensure(mapping);
        done.push(mapping.range);
      });
    } catch (error) {
      yield* eachInSlices(done, (range) => {
        vas.releaseUnused([range], this.#warn);
      });
      throw error;
    }
    yield* eachInSlices(edits.added, (mapping) => {
      // It carries its VA wherever it is told of.
      Object.assign(mapping, { hostVa: vas.at(mapping.range) });
    });
    this.#made = edits;
  }

  /** Whether there is private memory, also of the transaction under way. */
  get hasPrivates(): boolean {
    return this.privates.size > 0 || this.#made !== undefined;
  }

  /** The maps, with the VA of private memory on them. */
  withVas(maps: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    return mapInSlices(maps, (mapping) => this.#withVa(mapping));
  }

  /** The transaction takes effect: releases private memory that it has ended. */
  *commit(edits: PrivateEdits): Coroutine<Pending> {
    const { ended } = yield* edits.net();
    this.#made = undefined;
    yield* this.privates.commit(edits);
    return this.release(ended);
  }

  /** The transaction does not take effect: takes back what `make` has made. */
  discard(): Pending {
    const edits = this.#made;
    this.#made = undefined;
    return edits === undefined ? undefined : run(this.#releaseMade(edits));
  }

  *#releaseMade(edits: PrivateEdits): Coroutine<undefined> {
    const { made } = yield* edits.net();
    yield* waitFor(this.release(made));
    return undefined;
  }

  /** Releases the VAs of mappings that nobody uses any longer. What a target still uses waits for `sweep`. */
  release(mappings: readonly { readonly range: MemoryRange }[]): Pending {
    if (this.#vas === undefined || this.#vas.size === 0 || mappings.length === 0) {
      return undefined;
    }
    const pending =
      mappings.length > TOGETHER
        ? run(this.#releaseInSlices(this.#vas, mappings))
        : this.#releaseTogether(this.#vas, mappings);
    return this.#closed ? this.#giveBack(pending) : pending;
  }

  #releaseTogether(vas: VaRegistry, mappings: readonly { readonly range: MemoryRange }[]): Pending {
    const ranges: MemoryRange[] = [];
    for (const { range } of mappings) {
      if (!this.#users.usesVa(range)) {
        ranges.push(range);
      }
    }
    return vas.release(ranges, this.#warn);
  }

  *#releaseInSlices(vas: VaRegistry, mappings: readonly { readonly range: MemoryRange }[]): Coroutine<undefined> {
    for (let first = 0; first < mappings.length; first += TOGETHER) {
      yield* waitFor(this.#releaseTogether(vas, mappings.slice(first, first + TOGETHER)));
      const pause = pauseIfOver(LONG_STEP);
      if (pause !== undefined) {
        yield pause;
      }
    }
    return undefined;
  }

  /** As `release`, of file backings alone: private memory outlives its place in the view. */
  releaseFiles(mappings: readonly MapChange[]): Pending {
    return this.#vas === undefined || this.#vas.size === 0
      ? undefined
      : run(this.#releaseThose(mappings, ({ backing }) => backing !== 'private'));
  }

  *#releaseThose(mappings: readonly MapChange[], isWanted: (mapping: MapChange) => boolean): Coroutine<undefined> {
    yield* waitFor(this.release(yield* filterInSlices(mappings, isWanted)));
    return undefined;
  }

  /** Releases what is held over these ranges, or anywhere, and belongs neither to the view nor to private memory. */
  releaseUnused(ranges?: readonly MemoryRange[]): Pending {
    const vas = this.#vas;
    if (vas === undefined || vas.size === 0) {
      return undefined;
    }
    return run(this.#sweep(vas, ranges));
  }

  *#sweep(vas: VaRegistry, ranges: readonly MemoryRange[] | undefined): Coroutine<undefined> {
    const held = ranges === undefined ? yield* vas.mappings() : [];
    yield* eachInSlices(ranges ?? [], (range) => {
      append(held, vas.overlapping(range));
    });
    return yield* this.#releaseThose(held, (mapping) => !this.#isInUse(mapping));
  }

  /** The present state, for `releaseSince`. */
  get checkpoint(): number {
    return this.#vas?.checkpoint ?? 0;
  }

  /** Releases the VAs that were made since a checkpoint. */
  releaseSince(checkpoint: number): Pending {
    return this.#vas === undefined || this.#vas.checkpoint === checkpoint
      ? undefined
      : run(this.#releaseSince(this.#vas, checkpoint));
  }

  /** Releases everything but what a target still uses, and gives the mapper back once nothing is left. */
  close(): Pending {
    this.#closed = true;
    return this.#vas === undefined ? undefined : this.#giveBack(run(this.#releaseSince(this.#vas, 0)));
  }

  #giveBack(pending: Pending): Pending {
    if (pending !== undefined) {
      return pending.then(() => this.#giveBack(undefined));
    }
    if (this.#vas?.size === 0) {
      this.#vas.unclaim();
      this.#vas = undefined;
    }
    return undefined;
  }

  *#releaseSince(vas: VaRegistry, checkpoint: number): Coroutine<undefined> {
    yield* waitFor(this.release(yield* vas.mappings(checkpoint)));
    return undefined;
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
    return hostVa === undefined ? mapping : withChanges(mapping, { hostVa });
  }
}
