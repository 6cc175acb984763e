import type { MapChange } from '../contracts/change-set.js';
import { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { entriesInSlices, filterInSlices, mapInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { sameMapping, sameMemory } from '../changes/mapping.js';
import type { HostVa } from '../contracts/host-va.js';
import { MapperCalls } from './mapper-calls.js';
import { addressesInUse, mapperError, mapperInUse, type RegistryOwner } from './va-errors.js';

interface RegisteredVa {
  readonly range: MemoryRange;
  readonly mapping: MapChange;
  readonly hostVa: HostVa;
  /** In order of the registration: greater than those of all earlier addresses. */
  readonly number: number;
}

/**
 * The addresses that one VA mapper has made, by mapping. All operators and the manager that use a mapper share its
 * registry, so that each address is made once and released once.
 */
export class VaRegistry {
  static readonly #ofMapper = new WeakMap<VaMapper, VaRegistry>();

  readonly #calls: MapperCalls;
  #held = new RangeMap<RegisteredVa>();
  #owner: RegistryOwner | undefined = undefined;
  #nextNumber = 0;

  private constructor(mapper: VaMapper) {
    this.#calls = new MapperCalls(mapper);
  }

  /** The registry of a mapper. */
  static of(mapper: VaMapper): VaRegistry {
    let vas = VaRegistry.#ofMapper.get(mapper);
    if (vas === undefined) {
      vas = new VaRegistry(mapper);
      VaRegistry.#ofMapper.set(mapper, vas);
    }
    return vas;
  }

  /**
   * Claims the mapper for a manager, which releases the addresses that are made from now on. Addresses that were made
   * before are forgotten.
   *
   * @throws DmaError `ERR_VA_MAPPER_IN_USE` when another manager has claimed it
   */
  claim(owner: RegistryOwner): void {
    if (this.#owner !== undefined) {
      throw mapperInUse(
        'close() that manager first, and clear what is stuck then (retryStuck() of its attachments); or give this one a VA mapper of its own',
      );
    }
    this.#owner = owner;
    this.#held = new RangeMap();
  }

  /** Ends the claim: the manager has released all addresses. */
  unclaim(): void {
    this.#owner = undefined;
  }

  get owner(): RegistryOwner | undefined {
    return this.#owner;
  }

  get size(): number {
    return this.#held.size;
  }

  /** The VA of the mapping at exactly this range. */
  at(range: MemoryRange): HostVa | undefined {
    const held = this.#held.startingAt(range.startPage);
    return held?.range.equals(range) === true ? held.hostVa : undefined;
  }

  /**
   * The VA of the mapping, which is made if there is none.
   *
   * On failure: nothing is registered.
   *
   * @throws DmaError of the mapper, or of `addressesInUse` when another mapping has the addresses
   */
  ensure(mapping: MapChange): HostVa {
    const known = this.#known(mapping);
    if (known instanceof DmaError) {
      throw known;
    }
    return known ?? this.#register(mapping, this.#calls.ensure(mapping));
  }

  /**
   * As `ensure` for each mapping, in order, past failures; in batches if the mapper takes batches.
   *
   * @returns for each mapping its VA, or the error that `ensure` would have thrown
   */
  ensureAll(mappings: readonly MapChange[]): readonly (HostVa | DmaError)[] {
    if (!this.#calls.takesBatches || mappings.length < 2) {
      return mappings.map((mapping) => this.#ensureOrError(mapping));
    }
    return this.#areNew(mappings) ? this.#ensureBatch(mappings) : this.#ensureInBatches(mappings);
  }

  /** Whether no mapping is registered, and they are ascending or descending without a common page: most sets are. */
  #areNew(mappings: readonly MapChange[]): boolean {
    let start = Infinity;
    let end = 0;
    for (const mapping of mappings) {
      const { startPage, endPage } = mapping.range;
      if ((startPage < end && start < endPage) || this.#known(mapping) !== undefined) {
        return false;
      }
      start = Math.min(start, startPage);
      end = Math.max(end, endPage);
    }
    return true;
  }

  #ensureInBatches(mappings: readonly MapChange[]): readonly (HostVa | DmaError)[] {
    const answers: (HostVa | DmaError)[] = [];
    let batch: MapChange[] = [];
    let places: number[] = [];
    // The first page of the batch, and the page after its last one.
    let start = Infinity;
    let end = 0;
    const flush = (): void => {
      this.#ensureBatch(batch).forEach((answer, index) => {
        answers[places[index] as number] = answer;
      });
      batch = [];
      places = [];
      start = Infinity;
      end = 0;
    };
    for (let place = 0; place < mappings.length; place++) {
      const mapping = mappings[place] as MapChange;
      const { startPage, endPage } = mapping.range;
      // The maps of a set are ascending or descending. A map that may share pages with one of the batch is looked up
      // after the batch.
      if (startPage < end && start < endPage) {
        flush();
      }
      const known = this.#known(mapping);
      if (known !== undefined) {
        answers[place] = known;
        continue;
      }
      batch.push(mapping);
      places.push(place);
      start = Math.min(start, startPage);
      end = Math.max(end, endPage);
    }
    flush();
    return answers;
  }

  /** @throws DmaError of `addressesInUse` when a registered mapping shares a page with this one */
  checkFree(mapping: MapChange): void {
    const held = this.#held.firstOverlap(mapping.range);
    if (held !== undefined) {
      throw this.#inUse(mapping, held);
    }
  }

  /**
   * Releases the VAs of the mappings at exactly these ranges. A failure is reported, and the VA counts as released.
   *
   * @returns a promise if the mapper releases asynchronously. It never rejects
   */
  release(ranges: readonly MemoryRange[], report: (error: DmaError) => void): Promise<void> | undefined {
    return this.#calls.release(this.#remove(ranges), report);
  }

  /** As `release`, by one call each: for addresses that no target has used, which are released within the call. */
  releaseUnused(ranges: readonly MemoryRange[], report: (error: DmaError) => void): void {
    this.#calls.releaseEach(this.#remove(ranges), report);
  }

  /** The present state, for `mappings`. */
  get checkpoint(): number {
    return this.#nextNumber;
  }

  /** All registered mappings, or those that were registered since a checkpoint. Ascending. */
  *mappings(checkpoint = 0): Coroutine<MapChange[]> {
    const held = yield* filterInSlices(yield* entriesInSlices(this.#held), ({ number }) => number >= checkpoint);
    return yield* mapInSlices(held, ({ mapping }) => mapping);
  }

  /** The registered mappings that share a page with `range`, ascending. */
  overlapping(range: MemoryRange): MapChange[] {
    return this.#held.overlapping(range).map((held) => held.mapping);
  }

  /** Removes the mappings at exactly these ranges. Returns the ranges that were registered. */
  #remove(ranges: readonly MemoryRange[]): readonly MemoryRange[] {
    return ranges.filter((range) => this.#held.removeExact(range) !== undefined);
  }

  /**
   * The registered VA of a mapping, or the error if another mapping has the addresses; `undefined` when the VA is to be
   * made.
   */
  #known(mapping: MapChange): HostVa | DmaError | undefined {
    const held = this.#held.firstOverlap(mapping.range);
    if (held === undefined || this.#owner === undefined) {
      return undefined;
    }
    const isSame =
      held.mapping === mapping ||
      (mapping.backing === 'private' ? sameMemory(held.mapping, mapping) : sameMapping(held.mapping, mapping));
    return isSame ? held.hostVa : this.#inUse(mapping, held);
  }

  #inUse(mapping: MapChange, held: RegisteredVa): DmaError {
    return addressesInUse(mapping, held, this.#owner?.usersOf(held.range) ?? []);
  }

  #ensureOrError(mapping: MapChange): HostVa | DmaError {
    try {
      return this.ensure(mapping);
    } catch (error) {
      return mapperError(error, mapping);
    }
  }

  /** Makes the VAs of several mappings that are not registered and share no pages. */
  #ensureBatch(mappings: readonly MapChange[]): readonly (HostVa | DmaError)[] {
    if (mappings.length < 2) {
      return mappings.map((mapping) => this.#ensureOrError(mapping));
    }
    const answers = this.#calls.ensureBatch(mappings);
    for (let index = 0; index < answers.length; index++) {
      const answer = answers[index] as HostVa | DmaError;
      if (!(answer instanceof DmaError)) {
        this.#register(mappings[index] as MapChange, answer);
      }
    }
    return answers;
  }

  /** Registers a VA. */
  #register(mapping: MapChange, hostVa: HostVa): HostVa {
    const entry = { range: mapping.range, mapping, hostVa, number: this.#nextNumber++ };
    if (this.#held.insert(entry) !== undefined) {
      // No manager owns the mapper: its user has released the addresses that were registered here.
      for (const stale of this.#held.overlapping(mapping.range)) {
        this.#held.remove(stale.range);
      }
      this.#held.insert(entry);
    }
    return hostVa;
  }
}
