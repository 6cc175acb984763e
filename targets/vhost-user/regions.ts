import { DmaError, type DmaMapRequest, type MemoryRange } from '../../streams/index.js';
import { RangeMap } from '../../streams/internal.js';
import type { SharedRegion } from './back-end-memory.js';
import { FilesOfBatch, isShared, type SharingRules } from './region-rules.js';

/** A map of the target. */
export interface HeldRegion extends SharedRegion {
  readonly region: string;
  /** Whether the back end has it. `false` for read-only memory that is left out. */
  readonly shared: boolean;
}

/** What a batch of maps will do. */
export interface MapPlan {
  /** The maps up to the first that is refused. They are held from now on. */
  readonly planned: readonly HeldRegion[];
  /** Those of them that the back end gets. */
  readonly toShare: readonly HeldRegion[];
  /** Why the next one is refused; `undefined` if none is. */
  readonly refusal: { readonly error: unknown } | undefined;
}

/** The maps of a target: what the back end has, and what is left out. */
export class Regions {
  readonly #target: string;
  readonly #rules: SharingRules;
  readonly #limit: number;
  readonly #regions = new RangeMap<HeldRegion>();
  #shared = 0;

  /** @param limit number of regions that the back end takes */
  constructor(target: string, rules: SharingRules, limit: number) {
    this.#target = target;
    this.#rules = rules;
    this.#limit = limit;
  }

  /** Number of regions that the back end has. */
  get shared(): number {
    return this.#shared;
  }

  /** Ascending. */
  ranges(): readonly MemoryRange[] {
    return Array.from(this.#regions, ({ range }) => range);
  }

  /** The map that contains this page. */
  at(page: MemoryRange): HeldRegion | undefined {
    return this.#regions.firstOverlap(page);
  }

  /**
   * Checks the maps of a set. Device memory is not checked, because a failure to map it is soft.
   *
   * @throws DmaError for the first map that would be refused; it has its `range`
   */
  check(requests: readonly DmaMapRequest[]): void {
    const files = new FilesOfBatch();
    let used = this.#shared;
    for (const request of requests) {
      if (request.type !== 'device') {
        used += this.#isShared(request, files, used) ? 1 : 0;
        this.#refuseOverlap(request, this.#regions.firstOverlap(request.range));
      }
    }
  }

  /** Checks maps, and holds them, up to the first that is refused. */
  plan(requests: readonly DmaMapRequest[]): MapPlan {
    const files = new FilesOfBatch();
    const planned: HeldRegion[] = [];
    const toShare: HeldRegion[] = [];
    try {
      for (const request of requests) {
        const shared = this.#isShared(request, files, this.#shared);
        const { range, region, fileOffset, mappable } = request;
        const held = { range, region, fileOffset, file: mappable ?? NO_FILE, shared };
        this.#refuseOverlap(request, this.#regions.insert(held));
        planned.push(held);
        if (shared) {
          toShare.push(held);
          this.#shared += 1;
        }
      }
    } catch (error) {
      return { planned, toShare, refusal: { error } };
    }
    return { planned, toShare, refusal: undefined };
  }

  /**
   * The maps inside the range, ascending.
   *
   * @throws DmaError `EINVAL` if the range contains only a part of a map
   */
  inside(range: MemoryRange): readonly HeldRegion[] {
    const found = this.#regions.overlapping(range);
    for (const held of found) {
      if (!range.contains(held.range)) {
        throw new DmaError(`${range} contains only a part of ${held.range}`, {
          code: 'EINVAL',
          target: this.#target,
          region: held.region,
          range,
          hint: 'Unmap whole maps: the back end removes nothing else.',
        });
      }
    }
    return found;
  }

  /** These maps are no longer held. */
  forget(regions: readonly HeldRegion[]): void {
    for (const { range, shared } of regions) {
      this.#regions.removeExact(range);
      this.#shared -= shared ? 1 : 0;
    }
  }

  /** @param used number of regions that the back end has by then */
  #isShared(request: DmaMapRequest, files: FilesOfBatch, used: number): boolean {
    const shared = isShared(request, this.#rules, files, this.#target);
    if (shared && used >= this.#limit) {
      const { range, region } = request;
      throw new DmaError(`${range} cannot be shared: the back end takes ${this.#limit} regions`, {
        code: 'ENOSPC',
        target: this.#target,
        region,
        range,
        hint: 'Use fewer, larger mappings, for example of one file. Back ends with 509 regions: qemu-storage-daemon since 10.0, virtiofsd in Rust.',
      });
    }
    return shared;
  }

  #refuseOverlap({ range, region }: DmaMapRequest, existing: HeldRegion | undefined): void {
    if (existing !== undefined) {
      throw new DmaError(`${range} overlaps ${existing.range} of region "${existing.region}", which is mapped`, {
        code: 'EEXIST',
        target: this.#target,
        region,
        range,
        hint: `Unmap ${existing.range} first.`,
      });
    }
  }
}

/** For maps that are left out, and may have no file. */
const NO_FILE = { fd: -1 };
