import type { Ioas, Iommufd } from '../../binding/index.js';
import type { DmaMapRequest, HostVa, Mappable, MemoryRange } from '../../streams/index.js';
import { RangeMap } from '../../streams/range-map.js';

/** A mapping as it was made. */
interface Held {
  readonly range: MemoryRange;
  /** The file that it was mapped from, or the host virtual address. */
  readonly by: Mappable | HostVa;
  /** Counts where it was mapped from a file. */
  readonly fileOffset: bigint;
  readonly writable: boolean;
}

/** Of each iommufd, the targets that hold something. */
const neighbours = new WeakMap<Iommufd, Set<Holdings>>();

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
  readonly #held = new RangeMap<Held>();
  readonly #all: Set<Holdings>;

  constructor(ioas: Ioas) {
    this.#ioas = ioas;
    this.#all = holdingsIn(ioas.iommufd);
  }

  /** Ascending. */
  ranges(): readonly MemoryRange[] {
    return Array.from(this.#held, ({ range }) => range);
  }

  overlapping(range: MemoryRange): readonly MemoryRange[] {
    return this.#held.overlapping(range).map((held) => held.range);
  }

  firstOverlap(range: MemoryRange): MemoryRange | undefined {
    return this.#held.firstOverlap(range)?.range;
  }

  /** Notes a map that was made, by file or by host virtual address. */
  add({ range, fileOffset, writable }: DmaMapRequest, by: Mappable | HostVa): void {
    // Ranges that the kernel has accepted cannot overlap.
    this.#held.replace({ range, by, fileOffset, writable });
    if (this.#held.size === 1) {
      this.#all.add(this);
    }
  }

  /** Notes that everything inside the range is gone. */
  remove(range: MemoryRange): void {
    // Most unmaps end the one mapping that starts where they do.
    const first = this.#held.remove(range);
    if (first === undefined || first.range.endPage < range.endPage) {
      for (const held of this.#held.overlapping(range)) {
        this.#held.remove(held.range);
      }
    }
    if (this.#held.size === 0) {
      this.#all.delete(this);
    }
  }

  /** Whether another target of this iommufd holds anything at all. */
  get hasNeighbours(): boolean {
    return this.#all.size > (this.#held.size > 0 ? 1 : 0);
  }

  /** The IOAS of another target that holds exactly this mapping: the same range of the same memory, as writable, made the same way. */
  sourceOf({ range, fileOffset, writable, mappable }: DmaMapRequest, by: Mappable | HostVa): Ioas | undefined {
    for (const other of this.#all) {
      if (other === this || other.#ioas === this.#ioas || other.#ioas.isDestroyed) {
        continue;
      }
      const held = other.#held.startingAt(range.startPage);
      if (
        held?.range.endPage === range.endPage &&
        held.by === by &&
        held.writable === writable &&
        (by !== mappable || held.fileOffset === fileOffset)
      ) {
        return other.#ioas;
      }
    }
    return undefined;
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
