import type { DmaMapRequest } from '../../streams/index.js';

/** Number of slots, and the shift of a 32-bit hash. 128 KiB, allocated at the first map. */
const SLOTS = 16_384;
const SHIFT = 18;
/** Slots with a common counter, so that a few maps are found without a scan of all slots. */
const GROUP = 64;
/** 2^32 divided by the golden ratio: a hash factor that distributes pages of any stride. */
const SPREAD = 0x9e3779b1;

/**
 * A direct-mapped cache of maps, by first page. Each page has one slot. A new entry evicts the entry in its slot.
 *
 * With a `Map` instead, which is rehashed whenever it has grown or shrunk by half, a change takes 11,690 instructions instead of 11,140 in
 * sets of 64, and 22,400 instead of 22,100 alone (`npm run bench:kernel -- --instructions iommufd-by-file`).
 */
export class RecentMaps {
  #slots: (DmaMapRequest | undefined)[] = [];
  readonly #counts = new Uint8Array(SLOTS / GROUP);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The map that starts at this page. */
  at(startPage: number): DmaMapRequest | undefined {
    const found = this.#slots[slotOf(startPage)];
    return found?.range.startPage === startPage ? found : undefined;
  }

  /** Inserts a map. Returns the evicted map, unless that starts at the same page. */
  put(request: DmaMapRequest): DmaMapRequest | undefined {
    const { startPage } = request.range;
    if (this.#slots.length === 0) {
      this.#slots = new Array<undefined>(SLOTS).fill(undefined);
    }
    const slot = slotOf(startPage);
    const before = this.#slots[slot];
    this.#slots[slot] = request;
    if (before === undefined) {
      this.#count(slot, 1);
      return undefined;
    }
    return before.range.startPage === startPage ? undefined : before;
  }

  /** Removes the map that `at` has found for this page. */
  delete(startPage: number): void {
    const slot = slotOf(startPage);
    this.#slots[slot] = undefined;
    this.#count(slot, -1);
  }

  /** Removes all maps, in no particular order. */
  drain(take: (request: DmaMapRequest) => void): void {
    for (let group = 0; group < this.#counts.length && this.#size > 0; group++) {
      for (let slot = group * GROUP; this.#counts[group] !== 0; slot++) {
        const request = this.#slots[slot];
        if (request !== undefined) {
          this.#slots[slot] = undefined;
          this.#count(slot, -1);
          take(request);
        }
      }
    }
  }

  #count(slot: number, by: number): void {
    const group = Math.trunc(slot / GROUP);
    this.#counts[group] = (this.#counts[group] as number) + by;
    this.#size += by;
  }
}

/** Pages above 2^32 share the slots of those below. */
function slotOf(startPage: number): number {
  return Math.imul(startPage, SPREAD) >>> SHIFT;
}
