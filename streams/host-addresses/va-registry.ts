import type { MapChange } from '../contracts/change-set.js';
import { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { entriesInSlices, filterInSlices, mapInSlices } from '../ranges/slices.js';
import { isPromiseLike, type Coroutine } from '../util/coroutine.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { sameMapping, sameMemory } from '../changes/mapping.js';
import type { HostVa } from '../contracts/host-va.js';
import {
  addressesInUse,
  mapperError,
  mapperInUse,
  noVaError,
  releaseError,
  tellFailures,
  type RegistryOwner,
} from './va-errors.js';

interface RegisteredVa {
  readonly range: MemoryRange;
  readonly mapping: MapChange;
  readonly hostVa: HostVa;
  /** Counts what was made. */
  readonly number: number;
}

/**
 * What one VA mapper holds: which mapping was ensured where. Shared by all operators and by the manager that use the mapper, so
 * that each VA is made once and released once.
 */
export class VaRegistry {
  static readonly #ofMapper = new WeakMap<VaMapper, VaRegistry>();

  readonly #mapper: VaMapper;
  #held = new RangeMap<RegisteredVa>();
  #owner: RegistryOwner | undefined = undefined;
  #made = 0;

  private constructor(mapper: VaMapper) {
    this.#mapper = mapper;
  }

  static of(mapper: VaMapper): VaRegistry {
    let vas = VaRegistry.#ofMapper.get(mapper);
    if (vas === undefined) {
      vas = new VaRegistry(mapper);
      VaRegistry.#ofMapper.set(mapper, vas);
    }
    return vas;
  }

  /**
   * Says that a manager releases what is ensured from now on, so that what is held is known for sure. What was ensured before is not its
   * to release.
   *
   * @throws DmaError `ERR_VA_MAPPER_IN_USE` when another one does
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

  /** The manager has released everything: the mapper is free for another one. */
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
   * Makes sure of the VA.
   *
   * On failure: nothing is held that was not held before.
   *
   * @throws DmaError of the mapper; or why another mapping has the addresses, see `addressesInUse`
   */
  ensure(mapping: MapChange): HostVa {
    const known = this.#known(mapping);
    if (known instanceof DmaError) {
      throw known;
    }
    return known ?? this.#hold(mapping, this.#make(mapping));
  }

  /**
   * As `ensure` of each, in order, whatever became of those before it; together where the mapper takes them so.
   *
   * @returns of each the VA, or what `ensure` would have thrown
   */
  ensureAll(mappings: readonly MapChange[]): readonly (HostVa | DmaError)[] {
    if (this.#mapper.ensureMappedBatch === undefined || mappings.length < 2) {
      return mappings.map((mapping) => this.#ensureOrError(mapping));
    }
    const answers: (HostVa | DmaError)[] = [];
    let together: MapChange[] = [];
    let places: number[] = [];
    // The pages from the first to the last of those.
    let start = Infinity;
    let end = 0;
    const flush = (): void => {
      this.#makeTogether(together).forEach((answer, index) => {
        answers[places[index] as number] = answer;
      });
      together = [];
      places = [];
      start = Infinity;
      end = 0;
    };
    for (const [place, mapping] of mappings.entries()) {
      const { startPage, endPage } = mapping.range;
      // Sets are in order, one way or the other. What may share pages with one before it has to be looked at after that.
      if (startPage < end && start < endPage) {
        flush();
      }
      const known = this.#known(mapping);
      if (known !== undefined) {
        answers[place] = known;
        continue;
      }
      together.push(mapping);
      places.push(place);
      start = Math.min(start, startPage);
      end = Math.max(end, endPage);
    }
    flush();
    return answers;
  }

  /** @throws DmaError when anything is held over the addresses of this mapping, see `addressesInUse` */
  checkFree(mapping: MapChange): void {
    const held = this.#held.firstOverlap(mapping.range);
    if (held !== undefined) {
      throw this.#inUse(mapping, held);
    }
  }

  /**
   * Releases the VAs of the mappings at exactly these ranges. What fails is told, and counts as done.
   *
   * @returns when they are gone, where the mapper takes its time
   */
  release(ranges: readonly MemoryRange[], tell: (error: DmaError) => void): Promise<void> | undefined {
    const gone = this.#takeOut(ranges);
    if (this.#mapper.releaseBatch === undefined) {
      this.#releaseEach(gone, tell);
      return undefined;
    }
    if (gone.length === 0) {
      return undefined;
    }
    const tellAll = (error: unknown): void => {
      gone.forEach((range) => {
        tell(releaseError({ range, error }));
      });
    };
    try {
      const answer: unknown = this.#mapper.releaseBatch(gone);
      if (isPromiseLike(answer)) {
        return Promise.resolve(answer).then((late) => {
          tellFailures(late, tell);
        }, tellAll);
      }
      tellFailures(answer, tell);
    } catch (error) {
      tellAll(error);
    }
    return undefined;
  }

  /** As `release`, of what nobody has used: nothing of it can take long. */
  releaseUnused(ranges: readonly MemoryRange[], tell: (error: DmaError) => void): void {
    this.#releaseEach(this.#takeOut(ranges), tell);
  }

  /** For `mappings`. */
  get checkpoint(): number {
    return this.#made;
  }

  /** All that is held, or what of it was made since, ascending. */
  *mappings(checkpoint = 0): Coroutine<MapChange[]> {
    const held = yield* filterInSlices(yield* entriesInSlices(this.#held), ({ number }) => number >= checkpoint);
    return yield* mapInSlices(held, ({ mapping }) => mapping);
  }

  /** What is held and shares a page with `range`, ascending. */
  overlapping(range: MemoryRange): MapChange[] {
    return this.#held.overlapping(range).map((held) => held.mapping);
  }

  #takeOut(ranges: readonly MemoryRange[]): readonly MemoryRange[] {
    return ranges.filter((range) => this.#held.removeExact(range) !== undefined);
  }

  #releaseEach(ranges: readonly MemoryRange[], tell: (error: DmaError) => void): void {
    for (const range of ranges) {
      try {
        this.#mapper.release(range);
      } catch (error) {
        tell(releaseError({ range, error }));
      }
    }
  }

  /** The VA that it has, or why it can have none; nothing when it is to be made. */
  #known(mapping: MapChange): HostVa | DmaError | undefined {
    const held = this.#held.firstOverlap(mapping.range);
    if (held === undefined || this.#owner === undefined) {
      return undefined;
    }
    const isSame =
      mapping.backing === 'private' ? sameMemory(held.mapping, mapping) : sameMapping(held.mapping, mapping);
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

  #make(mapping: MapChange): HostVa {
    let answer: unknown;
    try {
      answer = this.#mapper.ensureMapped(mapping);
    } catch (error) {
      throw mapperError(error, mapping);
    }
    if (!isHostVa(answer)) {
      throw noVaError(mapping);
    }
    return answer;
  }

  /** Makes several, of which nothing is known and no two share a page. */
  #makeTogether(mappings: readonly MapChange[]): readonly (HostVa | DmaError)[] {
    if (mappings.length < 2) {
      return mappings.map((mapping) => this.#ensureOrError(mapping));
    }
    let answers: unknown;
    try {
      answers = this.#mapper.ensureMappedBatch?.(mappings);
    } catch (error) {
      return mappings.map((mapping) => mapperError(error, mapping));
    }
    const rows: readonly unknown[] = Array.isArray(answers) ? answers : [];
    return mappings.map((mapping, index) => {
      const answer = rows[index];
      if (answer instanceof Error) {
        return mapperError(answer, mapping);
      }
      return isHostVa(answer) ? this.#hold(mapping, answer) : noVaError(mapping);
    });
  }

  #hold(mapping: MapChange, hostVa: HostVa): HostVa {
    const entry = { range: mapping.range, mapping, hostVa, number: this.#made++ };
    if (this.#held.insert(entry) !== undefined) {
      // Nobody owns the mapper: somebody else has released what was there.
      for (const stale of this.#held.overlapping(mapping.range)) {
        this.#held.remove(stale.range);
      }
      this.#held.insert(entry);
    }
    return hostVa;
  }
}

function isHostVa(answer: unknown): answer is HostVa {
  return typeof (answer as HostVa | undefined | null)?.address === 'bigint';
}
