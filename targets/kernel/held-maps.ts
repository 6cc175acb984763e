import type { Ioas, Iommufd } from '../../binding/index.js';
import type { DmaMapRequest, HostVa, Mappable, MemoryRange } from '../../streams/index.js';
import { RangeMap } from '../../streams/internal.js';
import { RecentMaps } from './recent-maps.js';

/** The file that a map is made by, or its host virtual address. */
export type MappedBy = Mappable | HostVa;

/** Of each iommufd, the targets that have held something. */
const siblings = new WeakMap<Iommufd, Set<HeldMaps>>();

/**
 * What one target has mapped into its IOAS, and where the targets of one iommufd look each other's mappings up, to copy them.
 *
 * A mapping is here from when the kernel has answered that it is made until the kernel has answered that it is gone. While it is being
 * unmapped on another thread it can be found, and copying it is safe: under the lock of the source, the kernel either takes a share of its
 * pages, which then stay pinned for the copy, or says ENOENT. No other memory can be there, because a target makes one call at a time.
 *
 * What somebody does to the IOAS past the target is not seen here.
 */
export class HeldMaps {
  readonly #ioas: Ioas;
  readonly #wayOf: (request: DmaMapRequest) => MappedBy | undefined;
  readonly #all: Set<HeldMaps>;
  /** Whether it is among those. */
  #isListed = false;
  /**
   * What was made lately, as it was asked for. Nearly every unmap ends one mapping, which is found here much faster than in a tree; and what is
   * gone soon never gets into the tree.
   */
  readonly #recent = new RecentMaps();
  /** The rest; once somebody has asked what lies in a range, all that was made until then. */
  readonly #sorted = new RangeMap<DmaMapRequest>();

  /** @param wayOf what this target makes a map by */
  constructor(ioas: Ioas, wayOf: (request: DmaMapRequest) => MappedBy | undefined) {
    this.#ioas = ioas;
    this.#wayOf = wayOf;
    this.#all = heldMapsOf(ioas.iommufd);
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
    const drivenOut = this.#recent.put(request);
    if (drivenOut !== undefined) {
      this.#sorted.replace(drivenOut);
    }
    if (!this.#isListed) {
      this.#isListed = true;
      this.#all.add(this);
    }
  }

  /** Notes that everything inside the range is gone. */
  remove(range: MemoryRange): void {
    const { startPage, endPage } = range;
    if (this.#recent.at(startPage)?.range.endPage === endPage) {
      this.#recent.delete(startPage);
    } else if (this.#sorted.removeExact(range) === undefined) {
      for (const held of this.#sort().overlapping(range)) {
        this.#sorted.remove(held.range);
      }
    }
  }

  /** Whether another target of this iommufd holds anything at all. */
  get hasSiblings(): boolean {
    if (this.#all.size === (this.#isListed ? 1 : 0)) {
      return false;
    }
    for (const other of this.#all) {
      if (other !== this) {
        if (other.#recent.size > 0 || other.#sorted.size > 0) {
          return true;
        }
        // Perhaps nobody uses it any more.
        other.#isListed = false;
        this.#all.delete(other);
      }
    }
    return false;
  }

  /** The IOAS of another target that holds exactly this mapping: the same range of the same memory, as writable, made the same way. */
  sourceOf(request: DmaMapRequest): Ioas | undefined {
    const { range, fileOffset, writable, mappable } = request;
    const by = this.#wayOf(request);
    for (const other of this.#all) {
      if (other === this || other.#ioas === this.#ioas || other.#ioas.isDestroyed) {
        continue;
      }
      const held = other.#recent.at(range.startPage) ?? other.#sorted.startingAt(range.startPage);
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
    this.#recent.drain((request) => {
      this.#sorted.replace(request);
    });
    return this.#sorted;
  }
}

function heldMapsOf(iommufd: Iommufd): Set<HeldMaps> {
  let all = siblings.get(iommufd);
  if (all === undefined) {
    all = new Set();
    siblings.set(iommufd, all);
  }
  return all;
}
