import { withChanges, sameMapping } from '../changes/mapping.js';
import { append, EMPTY_LIST } from '../util/lists.js';
import type { MapChange } from '../contracts/change-set.js';
import type { Difference } from '../view/removals.js';
import { privateMemoryError } from '../regions/edit-errors.js';
import { VaRegistry } from './va-registry.js';
import { DmaError } from '../contracts/errors.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { PrivateMemory, type PrivateEdits } from '../regions/private-memory.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices, filterInSlices, mapInSlices } from '../ranges/slices.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import { noMapperError, type RegistryOwner } from './va-errors.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import type { View } from '../view/view.js';

const NO_PRIVATE_CHANGES = { made: EMPTY_LIST, ended: EMPTY_LIST };

/** Most VAs that are released in one call. */
const RELEASE_BATCH_MAX = 1024;

/**
 * A promise that settles when addresses have been released; `undefined` when they are already. It never rejects.
 * Nothing may be mapped there before.
 */
export type Pending = Promise<void> | undefined;

/** The targets of a manager, as users of addresses. */
export interface VaUsers extends RegistryOwner {
  /** Whether a target may use the address of the mapping at exactly this range, which is no longer active. */
  usesVa(range: MemoryRange): boolean;
}

/**
 * Owns the host virtual addresses of a manager: makes private memory, and releases every VA that is no longer used.
 *
 * A VA is released when its mapping is no longer active and no target may use it. Private memory keeps its VA, and so
 * its contents, as long as its mapping is in a region, active or not.
 */
export class VaOwner {
  readonly privates = new PrivateMemory();
  /** The private edits of the current transaction, once their memory has been made. */
  #made: PrivateEdits | undefined = undefined;
  /** `undefined` without a mapper, and after the mapper has been freed. */
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

  /** @throws DmaError `ERR_NO_VA_MAPPER` when there is no mapper that could make private memory */
  checkMapper(region: string, range: MemoryRange): void {
    if (this.#vas === undefined) {
      throw noMapperError('private memory needs a VA mapper', { region, range });
    }
  }

  /**
   * Checks that no other mapping is active at the addresses of private memory, before or after a transaction. Makes and
   * releases nothing.
   *
   * @throws DmaError `ERR_PRIVATE_MEMORY`
   */
  *check(edits: PrivateEdits | undefined, change: Difference): Coroutine<void> {
    if (edits === undefined && this.privates.size === 0) {
      return;
    }
    const { made, ended } = edits === undefined ? NO_PRIVATE_CHANGES : yield* edits.net();
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
   * Makes the private memory that a transaction adds. To be called after `check`, and before `commit` or `discard`.
   *
   * On failure: nothing is made.
   *
   * @throws DmaError of the mapper, or of `addressesInUse`
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
      // The regions, the view and the change sets share this object, and its VA.
      Object.assign(mapping, { hostVa: vas.at(mapping.range) });
    });
    this.#made = edits;
  }

  /** Whether there is private memory, including that of the current transaction. */
  get hasPrivates(): boolean {
    return this.privates.size > 0 || this.#made !== undefined;
  }

  /** The maps; those of private memory with their VA. */
  withVas(maps: readonly MapChange[]): Coroutine<readonly MapChange[]> {
    return mapInSlices(maps, (mapping) => this.#withVa(mapping));
  }

  /** The transaction has taken effect: releases the private memory that it has removed. */
  *commit(edits: PrivateEdits): Coroutine<Pending> {
    const { ended } = yield* edits.net();
    this.#made = undefined;
    yield* this.privates.commit(edits);
    return this.release(ended);
  }

  /** The transaction has failed: releases what `make` has made. */
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

  /** Releases the VAs of these mappings, except those that a target may use: `releaseUnused` releases them later. */
  release(mappings: readonly { readonly range: MemoryRange }[]): Pending {
    if (this.#vas === undefined || this.#vas.size === 0 || mappings.length === 0) {
      return undefined;
    }
    const pending =
      mappings.length > RELEASE_BATCH_MAX
        ? run(this.#releaseInSlices(this.#vas, mappings))
        : this.#releaseBatch(this.#vas, mappings);
    return this.#closed ? this.#freeWhenEmpty(pending) : pending;
  }

  #releaseBatch(vas: VaRegistry, mappings: readonly { readonly range: MemoryRange }[]): Pending {
    const ranges: MemoryRange[] = [];
    for (const { range } of mappings) {
      if (!this.#users.usesVa(range)) {
        ranges.push(range);
      }
    }
    return vas.release(ranges, this.#warn);
  }

  *#releaseInSlices(vas: VaRegistry, mappings: readonly { readonly range: MemoryRange }[]): Coroutine<undefined> {
    for (let first = 0; first < mappings.length; first += RELEASE_BATCH_MAX) {
      yield* waitFor(this.#releaseBatch(vas, mappings.slice(first, first + RELEASE_BATCH_MAX)));
      const pause = pauseIfOver(LONG_STEP);
      if (pause !== undefined) {
        yield pause;
      }
    }
    return undefined;
  }

  /** As `release`, for mappings of files only: private memory is kept while it is not active. */
  releaseFiles(mappings: readonly MapChange[]): Pending {
    return this.#vas === undefined || this.#vas.size === 0
      ? undefined
      : run(this.#releaseWhere(mappings, ({ backing }) => backing !== 'private'));
  }

  *#releaseWhere(mappings: readonly MapChange[], isWanted: (mapping: MapChange) => boolean): Coroutine<undefined> {
    yield* waitFor(this.release(yield* filterInSlices(mappings, isWanted)));
    return undefined;
  }

  /** Releases the VAs over these ranges, or all VAs, of mappings that are neither active nor private memory. */
  releaseUnused(ranges?: readonly MemoryRange[]): Pending {
    const vas = this.#vas;
    if (vas === undefined || vas.size === 0) {
      return undefined;
    }
    return run(this.#releaseUnusedOf(vas, ranges));
  }

  *#releaseUnusedOf(vas: VaRegistry, ranges: readonly MemoryRange[] | undefined): Coroutine<undefined> {
    const held = ranges === undefined ? yield* vas.mappings() : [];
    yield* eachInSlices(ranges ?? [], (range) => {
      append(held, vas.overlapping(range));
    });
    return yield* this.#releaseWhere(held, (mapping) => !this.#isInUse(mapping));
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

  /** Releases all VAs, except those that a target may use, and frees the mapper when none is left. */
  close(): Pending {
    this.#closed = true;
    return this.#vas === undefined ? undefined : this.#freeWhenEmpty(run(this.#releaseSince(this.#vas, 0)));
  }

  #freeWhenEmpty(pending: Pending): Pending {
    if (pending !== undefined) {
      return pending.then(() => this.#freeWhenEmpty(undefined));
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

  /**
   * Whether the VA of a mapping is needed: by the state before the current transaction, or by what this one has made.
   */
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
