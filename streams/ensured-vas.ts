import type { MapChange } from './change-set.js';
import { DmaError, toDmaError } from './errors.js';
import type { MemoryRange } from './memory-range.js';
import { RangeMap } from './range-map.js';
import type { HostVa, VaMapper } from './va-mapper.js';
import { sameMapping, sameMemory } from './difference.js';

interface EnsuredVa {
  readonly range: MemoryRange;
  readonly mapping: MapChange;
  readonly hostVa: HostVa;
}

/**
 * What one VA mapper holds: which mapping was ensured where. Shared by all operators and by the manager that use the mapper, so
 * that each VA is made once and released once.
 */
export class EnsuredVas {
  static readonly #ofMapper = new WeakMap<VaMapper, EnsuredVas>();

  readonly #mapper: VaMapper;
  readonly #held = new RangeMap<EnsuredVa>();
  #owned = false;

  private constructor(mapper: VaMapper) {
    this.#mapper = mapper;
  }

  static of(mapper: VaMapper): EnsuredVas {
    let vas = EnsuredVas.#ofMapper.get(mapper);
    if (vas === undefined) {
      vas = new EnsuredVas(mapper);
      EnsuredVas.#ofMapper.set(mapper, vas);
    }
    return vas;
  }

  /** Says that a manager releases what is ensured here, so that what is held is known for sure. */
  own(): void {
    this.#owned = true;
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
   * @throws DmaError of the mapper, or `ERR_RANGE_STUCK` while a failed unmap keeps the addresses for what was there before
   */
  ensure(mapping: MapChange): HostVa {
    const held = this.#held.firstOverlap(mapping.range);
    if (held !== undefined && this.#owned) {
      if (mapping.backing === 'private' ? sameMemory(held.mapping, mapping) : sameMapping(held.mapping, mapping)) {
        return held.hostVa;
      }
      throw stuckError(mapping, held.range);
    }
    const hostVa = this.#make(mapping);
    for (const stale of this.#held.overlapping(mapping.range)) {
      this.#held.remove(stale.range);
    }
    this.#held.insert({ range: mapping.range, mapping, hostVa });
    return hostVa;
  }

  /** Whether private memory is held at exactly this range. */
  holdsPrivate(range: MemoryRange): boolean {
    const held = this.#held.startingAt(range.startPage);
    return held?.range.equals(range) === true && held.mapping.backing === 'private';
  }

  /** @throws DmaError `ERR_RANGE_STUCK` when anything is held over the addresses of this mapping */
  checkFree(mapping: MapChange): void {
    const held = this.#held.firstOverlap(mapping.range);
    if (held !== undefined) {
      throw stuckError(mapping, held.range);
    }
  }

  /** Releases the VA of the mapping at exactly this range. Returns the error of a mapper that fails to. */
  release(range: MemoryRange): DmaError | undefined {
    const held = this.#held.startingAt(range.startPage);
    if (held?.range.equals(range) !== true) {
      return undefined;
    }
    this.#held.remove(range);
    try {
      this.#mapper.release(range);
      return undefined;
    } catch (error) {
      return toDmaError(error, { fallbackCode: 'ERR_VA_RELEASE', range });
    }
  }

  /** All that is held, ascending. */
  mappings(): MapChange[] {
    return Array.from(this.#held, (held) => held.mapping);
  }

  /** What is held and shares a page with `range`, ascending. */
  overlapping(range: MemoryRange): MapChange[] {
    return this.#held.overlapping(range).map((held) => held.mapping);
  }

  #make(mapping: MapChange): HostVa {
    let hostVa: HostVa;
    try {
      hostVa = this.#mapper.ensureMapped(mapping);
    } catch (error) {
      throw toDmaError(error, { fallbackCode: 'ERR_VA_MAPPER', region: mapping.region, range: mapping.range });
    }
    if (typeof (hostVa as HostVa | undefined)?.address !== 'bigint') {
      throw new DmaError('the VA mapper returned no host virtual address', {
        code: 'ERR_VA_MAPPER',
        region: mapping.region,
        range: mapping.range,
        hint: 'ensureMapped() of a VA mapper returns { address: bigint }, or throws',
      });
    }
    return hostVa;
  }
}

function stuckError(mapping: MapChange, held: MemoryRange): DmaError {
  return new DmaError(`the host addresses are still those of ${held.toString()}, which a target could not unmap`, {
    code: 'ERR_RANGE_STUCK',
    region: mapping.region,
    range: mapping.range,
    hint: 'cure what made the unmap fail, then call retryStuck() of the attachment that is stuck',
  });
}
