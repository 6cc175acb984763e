import type { Ioas, Iommufd } from '../../binding/index.js';
import type { DmaMapRequest, HostVa, Mappable, MemoryRange } from '../../streams/index.js';
import { RangeMap } from '../../streams/range-map.js';

/** The file that a map is made by, or its host virtual address. */
export type Way = Mappable | HostVa;

/** Of each iommufd, the targets that hold something. */
const neighbours = new WeakMap<Iommufd, Set<Holdings>>();

/** So many are found by a hash table at most: putting them all into the tree takes 2 ms. */
const MOST_RECENT = 16_384;

/**
 * What one target has mapped into its IOAS, and where the targets of one iommufd look each other's mappings up, to copy them.
 *
 * A mapping is here from when the kernel has answered that it is made until the kernel has answered that it is gone. While it is being
 * unmapped on another thread it can be found, and copying it is safe: under the lock of the source, the kernel either takes a share of its
 * pages, which then stay pinned for the copy, or says ENOENT. No other memory can be there, because a target makes one call at a time.
 *
 * What somebody does to the IOAS past the target is not seen here.
 */
export class Holdings {
  readonly #ioas: Ioas;
  readonly #wayOf: (request: DmaMapRequest) => Way | undefined;
  readonly #all: Set<Holdings>;
  /**
   * What was made lately, by its first page, as it was asked for. Nearly every unmap ends one mapping, which a hash table finds several times
   * faster than a tree; and what is gone soon never gets into the tree.
   */
  readonly #recent = new Map<number, DmaMapRequest>();
  /** The rest; once somebody has asked what lies in a range, all that was made until then. */
  readonly #sorted = new RangeMap<DmaMapRequest>();
  #isEmpty = true;

  /** @param wayOf what this target makes a map by */
  constructor(ioas: Ioas, wayOf: (request: DmaMapRequest) => Way | undefined) {
    this.#ioas = ioas;
    this.#wayOf = wayOf;
    this.#all = holdingsIn(ioas.iommufd);
  }

  /** Ascending. */
  ranges(): readonly MemoryRange[] {
    return Array.from(this.#sort(), ({ range }) => range);
  }

  overlapping(range: MemoryRange): readonly MemoryRange[] {
    return this.#sort()
      .overlapping(range)
      .map((held) => held.range);
  }

  firstOverlap(range: MemoryRange): MemoryRange | undefined {
    return this.#sort().firstOverlap(range)?.range;
  }

  /** Notes a map that was made. The request is kept. */
  add(request: DmaMapRequest): void {
    // Ranges that the kernel has accepted cannot overlap.
    if (this.#recent.size < MOST_RECENT) {
      this.#recent.set(request.range.startPage, request);
    } else {
      this.#sorted.replace(request);
    }
    if (this.#isEmpty) {
      this.#isEmpty = false;
      this.#all.add(this);
    }
  }

  /** Notes that everything inside the range is gone. */
  remove(range: MemoryRange): void {
    const recent = this.#recent.get(range.startPage);
    if (recent?.range.endPage === range.endPage) {
      this.#recent.delete(range.startPage);
    } else if (this.#sorted.removeExact(range) === undefined) {
      for (const held of this.#sort().overlapping(range)) {
        this.#sorted.remove(held.range);
      }
    }
    if (this.#recent.size === 0 && this.#sorted.size === 0) {
      this.#isEmpty = true;
      this.#all.delete(this);
    }
  }

  /** Whether another target of this iommufd holds anything at all. */
  get hasNeighbours(): boolean {
    return this.#all.size > (this.#isEmpty ? 0 : 1);
  }

  /** The IOAS of another target that holds exactly this mapping: the same range of the same memory, as writable, made the same way. */
  sourceOf(request: DmaMapRequest): Ioas | undefined {
    const { range, fileOffset, writable, mappable } = request;
    const by = this.#wayOf(request);
    for (const other of this.#all) {
      if (other === this || other.#ioas === this.#ioas || other.#ioas.isDestroyed) {
        continue;
      }
      const held = other.#recent.get(range.startPage) ?? other.#sorted.startingAt(range.startPage);
      if (
        held?.range.endPage === range.endPage &&
        other.#wayOf(held) === by &&
        held.writable === writable &&
        (by !== mappable || held.fileOffset === fileOffset)
      ) {
        return other.#ioas;
      }
    }
    return undefined;
  }

  #sort(): RangeMap<DmaMapRequest> {
    for (const request of this.#recent.values()) {
      this.#sorted.replace(request);
    }
    this.#recent.clear();
    return this.#sorted;
  }
}

function holdingsIn(iommufd: Iommufd): Set<Holdings> {
  let all = neighbours.get(iommufd);
  if (all === undefined) {
    all = new Set();
    neighbours.set(iommufd, all);
  }
  return all;
}
