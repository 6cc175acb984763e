import type { MemoryRange } from './memory-range.js';
import { PageTree } from './page-tree.js';

/** An object with a range. */
export interface Ranged {
  readonly range: MemoryRange;
}

/** The position of a series of `copyTo` calls. */
export interface CopyCursor {
  /** The page to continue at: 0 at the start, `Infinity` after the last entry. */
  page: number;
  /** The index in the list for the next entry. */
  at: number;
}

/**
 * A map of objects with disjoint ranges, sorted by address: a B+ tree. The time of a lookup or a change grows with the logarithm of the size. A
 * search reads page numbers only, and no entry except the one that it finds.
 *
 * The range of an entry must not change while it is in the map.
 */
export class RangeMap<V extends Ranged> extends PageTree implements Iterable<V> {
  /** The entries by their references in the tree. */
  readonly #entries = new Slab<V>();

  /** Number of entries. */
  get size(): number {
    return this.entryCount;
  }

  /** The entry that starts at this page; `undefined` if there is none. */
  startingAt(startPage: number): V | undefined {
    const slot = this.find(startPage);
    return this.startsAt(slot, startPage) ? this.#entryAt(slot) : undefined;
  }

  /** Whether an entry shares a page with `range`. */
  overlaps(range: MemoryRange): boolean {
    return this.firstOverlap(range) !== undefined;
  }

  /** The entry with the lowest address that shares a page with `range`. */
  firstOverlap({ startPage, endPage }: MemoryRange): V | undefined {
    return this.#overlapAt(this.find(startPage), startPage, endPage);
  }

  /** All entries that share a page with `range`, in ascending order. */
  overlapping(range: MemoryRange): V[] {
    const found: V[] = [];
    const { startPage, endPage } = range;
    const slot = this.find(startPage);
    const before = slot < this.first ? this.#lastBeforeLeaf() : this.#entryAt(slot);
    if (before !== undefined && before.range.endPage > startPage) {
      found.push(before);
    }
    // The entries that start after `startPage`, leaf by leaf.
    for (let page = startPage; page < endPage; page = this.leafEnd) {
      const upTo = this.find(page);
      const { starts } = this.block;
      for (let next = page === startPage ? upTo + 1 : this.first; next < this.end; next++) {
        if ((starts[next] as number) >= endPage) {
          return found;
        }
        found.push(this.#entryAt(next) as V);
      }
    }
    return found;
  }

  /** Inserts an entry. If it overlaps others, changes nothing, and returns the one of them with the lowest address. */
  insert(value: V): V | undefined {
    const { startPage, endPage } = value.range;
    let slot = this.find(startPage);
    const { leaf } = this;
    const existing = this.#overlapAt(slot, startPage, endPage);
    if (existing !== undefined) {
      return existing;
    }
    if (leaf !== this.leaf) {
      slot = this.find(startPage); // `#overlapAt` has found another leaf.
    }
    this.insertAt(slot + 1, startPage, endPage, this.#entries.put(value));
    return undefined;
  }

  /** Inserts an entry, or replaces the entry with the same range. It must not overlap other entries; this is not checked. */
  replace(value: V): void {
    const { startPage, endPage } = value.range;
    const slot = this.find(startPage);
    if (this.startsAt(slot, startPage)) {
      this.#entries.replace(this.block.refs[slot] as number, value);
      this.block.ends[slot] = endPage;
    } else {
      this.insertAt(slot + 1, startPage, endPage, this.#entries.put(value));
    }
  }

  /** Removes the entry that has the same start as `range`, and returns it. */
  remove({ startPage }: MemoryRange): V | undefined {
    const slot = this.find(startPage);
    return this.startsAt(slot, startPage) ? this.#entries.take(this.removeAt(slot, startPage)) : undefined;
  }

  /** Removes the entry with exactly this range, and returns it. */
  removeExact({ startPage, endPage }: MemoryRange): V | undefined {
    const slot = this.find(startPage);
    return this.startsAt(slot, startPage) && this.block.ends[slot] === endPage
      ? this.#entries.take(this.removeAt(slot, startPage))
      : undefined;
  }

  /** All entries, in ascending order. The map must not change during the iteration. */
  *values(): IterableIterator<V> {
    for (let page = 0; page < Infinity;) {
      this.find(page);
      // A lookup between two steps of the iteration finds another leaf.
      const { refs } = this.block;
      const end = this.end;
      page = this.leafEnd;
      for (let slot = this.first; slot < end; slot++) {
        yield this.#entries.at(refs[slot] as number) as V;
      }
    }
  }

  [Symbol.iterator](): IterableIterator<V> {
    return this.values();
  }

  /** All entries, in ascending order. */
  toArray(): V[] {
    if (this.entryCount === 1) {
      this.find(Infinity);
      return [this.#entryAt(this.first) as V];
    }
    const values: V[] = [];
    this.copyTo(values, { page: 0, at: 0 }, Infinity);
    return values;
  }

  /**
   * Copies at least `count` entries to a list, in ascending order from the cursor on, and advances the cursor. Fewer only at the end of the map.
   * The map must not change between the calls of a series.
   */
  copyTo(values: V[], cursor: CopyCursor, count: number): void {
    let { page, at } = cursor;
    const end = at + count;
    while (page < Infinity && at < end) {
      this.find(page);
      for (let slot = this.first; slot < this.end; slot++) {
        values[at++] = this.#entryAt(slot) as V;
      }
      page = this.leafEnd;
    }
    cursor.page = page;
    cursor.at = at;
  }

  /**
   * Checks the invariants of the tree (see `PageTree`), for tests: visits every entry.
   *
   * @throws Error that names the first invariant that does not hold
   */
  checkInvariants(): void {
    this.checkTree((ref, startPage, endPage) => {
      const range = this.#entries.at(ref)?.range;
      return range?.startPage === startPage && range.endPage === endPage;
    });
  }

  /** The entry in a slot of the current block, if there is one. */
  #entryAt(slot: number): V | undefined {
    const ref = this.block.refs[slot];
    return ref === undefined ? undefined : this.#entries.at(ref);
  }

  /** The first entry that overlaps these pages, where `slot` is the result of `find(startPage)`. May find another leaf. */
  #overlapAt(slot: number, startPage: number, endPage: number): V | undefined {
    const { starts, ends } = this.block;
    const [next, end, leafEnd] = [slot + 1, this.end, this.leafEnd];
    if (slot >= this.first) {
      if ((ends[slot] as number) > startPage) {
        return this.#entryAt(slot);
      }
    } else if (this.leafStart > 0) {
      const before = this.#lastBeforeLeaf();
      if (before !== undefined && before.range.endPage > startPage) {
        return before;
      }
    }
    if (next < end) {
      return (starts[next] as number) < endPage ? this.#entryAt(next) : undefined;
    }
    if (leafEnd >= endPage) {
      return undefined;
    }
    this.find(leafEnd);
    const first = this.#entryAt(this.first);
    return first !== undefined && first.range.startPage < endPage ? first : undefined;
  }

  /** The last entry before the current leaf. Finds another leaf. */
  #lastBeforeLeaf(): V | undefined {
    if (this.leafStart === 0) {
      return undefined;
    }
    this.find(this.leafStart - 1);
    return this.#entryAt(this.end - 1);
  }
}

/** Length of the arrays, with its binary logarithm and the mask of an index. Longer arrays would have more unused space. */
const CHUNK_BITS = 10;
const CHUNK_LENGTH = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_LENGTH - 1;

/** Stores values and gives each a number, its reference. The number of a removed value is used again. */
class Slab<V> {
  /** The first array grows with its values, because most slabs are small. The others have their full length from the start. */
  readonly #arrays: (V | undefined)[][] = [[]];
  /** All numbers below it are in use or free. */
  #end = 0;
  /** Its first `#freeCount` elements are the free numbers. It is never shortened: arrays that shrink and grow are copied again and again. */
  readonly #free: number[] = [];
  #freeCount = 0;

  /** Stores a value, and returns its number. */
  put(value: V): number {
    const ref = this.#freeCount === 0 ? this.#end++ : (this.#free[--this.#freeCount] as number);
    const index = ref & CHUNK_MASK;
    if (index === 0 && ref === this.#arrays.length << CHUNK_BITS) {
      this.#arrays.push(new Array<V | undefined>(CHUNK_LENGTH));
    }
    (this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[])[index] = value;
    return ref;
  }

  /** The value with this number; `undefined` if there is none. */
  at(ref: number): V | undefined {
    return this.#arrays[ref >> CHUNK_BITS]?.[ref & CHUNK_MASK];
  }

  replace(ref: number, value: V): void {
    (this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[])[ref & CHUNK_MASK] = value;
  }

  /** Removes the value with this number, and returns it. */
  take(ref: number): V | undefined {
    const array = this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[];
    const value = array[ref & CHUNK_MASK];
    array[ref & CHUNK_MASK] = undefined;
    this.#free[this.#freeCount++] = ref;
    return value;
  }
}
