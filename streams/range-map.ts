import sortedBTree from 'sorted-btree';
import type BTreeClass from 'sorted-btree';
import type { MemoryRange } from './memory-range.js';

export interface Ranged {
  readonly range: MemoryRange;
}

const BTree = sortedBTree.default;

/** A sorted map of disjoint ranges, by their first page. */
export class RangeMap<V extends Ranged> {
  #tree: BTreeClass.default<number, V>;

  constructor() {
    this.#tree = new BTree<number, V>(undefined, ascending);
  }

  get size(): number {
    return this.#tree.size;
  }

  /** The entry that starts at this page. */
  startingAt(startPage: number): V | undefined {
    return this.#tree.get(startPage);
  }

  /** The entry with the lowest address that shares a page with `range`. */
  firstOverlap(range: MemoryRange): V | undefined {
    const before = this.#tree.getPairOrNextLower(range.startPage)?.[1];
    if (before !== undefined && before.range.endPage > range.startPage) {
      return before;
    }
    const after = this.#tree.getPairOrNextHigher(range.startPage)?.[1];
    return after !== undefined && after.range.startPage < range.endPage ? after : undefined;
  }

  /** Whether an entry shares a page with `range`. */
  overlaps(range: MemoryRange): boolean {
    const last = this.#tree.getPairOrNextLower(range.endPage - 1)?.[1];
    return last !== undefined && last.range.endPage > range.startPage;
  }

  /** All entries that share a page with `range`, ascending and whole. */
  overlapping(range: MemoryRange): V[] {
    const found: V[] = [];
    const before = this.#tree.getPairOrNextLower(range.startPage)?.[1];
    if (before !== undefined && before.range.startPage < range.startPage && before.range.endPage > range.startPage) {
      found.push(before);
    }
    this.#tree.forRange(range.startPage, range.endPage, false, (_key, value) => {
      found.push(value);
    });
    return found;
  }

  /** Inserts. If something overlaps, nothing changes, and the entry in the way is returned. */
  insert(value: V): V | undefined {
    if (this.overlaps(value.range)) {
      return this.firstOverlap(value.range);
    }
    this.#tree.set(value.range.startPage, value);
    return undefined;
  }

  /** Inserts, or replaces the entry with the same range. */
  replace(value: V): void {
    this.#tree.set(value.range.startPage, value, true);
  }

  /** Removes the entry that starts where `range` does, and returns it. */
  remove(range: MemoryRange): V | undefined {
    const value = this.#tree.get(range.startPage);
    if (value !== undefined) {
      this.#tree.delete(range.startPage);
    }
    return value;
  }

  /** Ascending. Not to be changed meanwhile: take a clone first. */
  values(): IterableIterator<V> {
    return this.#tree.values();
  }

  [Symbol.iterator](): IterableIterator<V> {
    return this.values();
  }

  /** In constant time: both share what neither has changed. */
  clone(): RangeMap<V> {
    const copy = new RangeMap<V>();
    copy.#tree = this.#tree.clone();
    return copy;
  }
}

function ascending(a: number, b: number): number {
  return a - b;
}
