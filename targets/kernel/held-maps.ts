import type { Ioas, Iommufd } from '../../binding/index.js';
import type { DmaMapRequest, HostVa, Mappable, MemoryRange } from '../../streams/index.js';
import { RangeMap } from '../../streams/internal.js';
import { RecentMaps } from './recent-maps.js';

/** The file or the host virtual address by which a map is made. */
export type MappedBy = Mappable | HostVa;

/** For each iommufd, the targets that have or had mappings. */
const siblings = new WeakMap<Iommufd, Set<HeldMaps>>();

/**
 * The mappings of one target in its IOAS. The other targets of the same iommufd search them for mappings to copy.
 *
 * A mapping is recorded after the kernel has confirmed the map, until the kernel has confirmed the unmap. It can be found while it is being
 * unmapped on another thread. Copying it is then safe: under the lock of the source, the kernel either adds a reference to its pages, which
 * stay pinned for the copy, or returns ENOENT. No other memory can be mapped there, because a target makes one call at a time.
 *
 * Changes to the IOAS that bypass the target are not recorded.
 */
export class HeldMaps {
  readonly #ioas: Ioas;
  readonly #wayOf: (request: DmaMapRequest) => MappedBy | undefined;
  readonly #all: Set<HeldMaps>;
  /** Whether this target is in `siblings`. */
  #isListed = false;
  /**
   * Recent maps, as requested. Nearly every unmap removes exactly one mapping, which is found here much faster than in a tree. Short-lived
   * mappings are never inserted into the tree.
   */
  readonly #recent = new RecentMaps();
  /** The other mappings. A query by range moves all mappings here. */
  readonly #sorted = new RangeMap<DmaMapRequest>();

  /** @param wayOf the file or address by which this target makes a map */
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

  /** Records a map that was made. The request is stored. */
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

  /** Records that all mappings inside the range were removed. */
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

  /** Whether another target of this iommufd has any mappings. */
  get hasSiblings(): boolean {
    if (this.#all.size === (this.#isListed ? 1 : 0)) {
      return false;
    }
    for (const other of this.#all) {
      if (other !== this) {
        if (other.#recent.size > 0 || other.#sorted.size > 0) {
          return true;
        }
        // The target may no longer be in use.
        other.#isListed = false;
        this.#all.delete(other);
      }
    }
    return false;
  }

  /** The IOAS of another target with an identical mapping: same range, memory and access, made by file or by address alike. */
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
