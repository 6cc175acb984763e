import type { MemoryRange } from './memory-range.js';
import { Branch, Leaf } from './range-map-node.js';
import type { Node, Owner } from './range-map-node.js';

/** Something that has a place in the address space. */
export interface Ranged {
  readonly range: MemoryRange;
}

/** The root of every empty map. Nobody owns it, so the first entry goes into a copy. */
const EMPTY = new Leaf<never>({});

/**
 * A sorted map of disjoint ranges, by their first page: a B+ tree whose nodes are shared between clones until one of them
 * changes. A lookup or a change takes time that grows with the logarithm of the size; a search reads page numbers alone
 * and touches one entry, the last that starts before what is searched for.
 */
export class RangeMap<V extends Ranged> implements Iterable<V> {
  #owner: Owner = {};
  #root: Node<V> = EMPTY;
  #size = 0;

  /** Set by `#leafAt`: the pages that belong to the leaf that it found. `Infinity` ends the last leaf. */
  #leafStart = 0;
  #leafEnd = Infinity;

  /** Number of entries. */
  get size(): number {
    return this.#size;
  }

  /** The entry that starts at this page. */
  startingAt(startPage: number): V | undefined {
    const leaf = this.#leafAt(startPage);
    const slot = leaf.slotOf(startPage);
    return leaf.starts[slot] === startPage ? leaf.items[slot] : undefined;
  }

  /** Whether an entry shares a page with `range`. */
  overlaps(range: MemoryRange): boolean {
    const last = this.#lastUpTo(range.endPage - 1);
    return last !== undefined && last.range.endPage > range.startPage;
  }

  /** The entry with the lowest address that shares a page with `range`. */
  firstOverlap(range: MemoryRange): V | undefined {
    const leaf = this.#leafAt(range.startPage);
    return this.#overlapAt(leaf, leaf.slotOf(range.startPage), range);
  }

  /** All entries that share a page with `range`, ascending and whole. */
  overlapping(range: MemoryRange): V[] {
    const found: V[] = [];
    const before = this.#lastUpTo(range.startPage);
    if (before !== undefined && before.range.startPage < range.startPage && before.range.endPage > range.startPage) {
      found.push(before);
    }
    for (let page = range.startPage; page < range.endPage; page = this.#leafEnd) {
      const leaf = this.#leafAt(page);
      for (let slot = leaf.slotOf(page - 1) + 1; leaf.startAt(slot) < range.endPage; slot++) {
        const value = leaf.items[slot];
        if (value !== undefined) {
          found.push(value);
        }
      }
    }
    return found;
  }

  /** Inserts. If something overlaps, nothing changes, and the entry in the way with the lowest address is returned. */
  insert(value: V): V | undefined {
    const { startPage } = value.range;
    const leaf = this.#leafAt(startPage);
    const slot = leaf.slotOf(startPage);
    const inTheWay = this.#overlapAt(leaf, slot, value.range);
    if (inTheWay !== undefined) {
      return inTheWay;
    }
    this.#put(leaf, slot + 1, startPage, value);
    return undefined;
  }

  /** Inserts, or replaces the entry with the same range. Whether it overlaps another is not checked. */
  replace(value: V): void {
    const { startPage } = value.range;
    const leaf = this.#leafAt(startPage);
    const slot = leaf.slotOf(startPage);
    if (leaf.starts[slot] !== startPage) {
      this.#put(leaf, slot + 1, startPage, value);
    } else if (leaf.owner === this.#owner) {
      leaf.items[slot] = value;
    } else {
      const owned = this.#leafWithRoom(startPage);
      owned.items[owned.slotOf(startPage)] = value;
    }
  }

  /** Removes the entry that starts where `range` does, and returns it. */
  remove(range: MemoryRange): V | undefined {
    const { startPage } = range;
    let leaf = this.#leafAt(startPage);
    let slot = leaf.slotOf(startPage);
    if (leaf.starts[slot] !== startPage) {
      return undefined;
    }
    if (leaf.owner !== this.#owner || leaf.isScarce) {
      leaf = this.#leafWithSpare(startPage);
      slot = leaf.slotOf(startPage);
    }
    const value = leaf.items[slot];
    leaf.removeAt(slot);
    this.#size--;
    return value;
  }

  /** Ascending. Not to be changed meanwhile: take a clone first. */
  *values(): IterableIterator<V> {
    let page = 0;
    while (page < Infinity) {
      const leaf = this.#leafAt(page);
      page = this.#leafEnd;
      for (let slot = 0; slot < leaf.count; slot++) {
        const value = leaf.items[slot];
        if (value !== undefined) {
          yield value;
        }
      }
    }
  }

  [Symbol.iterator](): IterableIterator<V> {
    return this.values();
  }

  /** In constant time. Neither map sees what is changed in the other from then on. */
  clone(): RangeMap<V> {
    const copy = new RangeMap<V>();
    copy.#root = this.#root;
    copy.#size = this.#size;
    this.#owner = {};
    return copy;
  }

  /** The leaf that this page belongs to, whether an entry starts there or not. */
  #leafAt(page: number): Leaf<V> {
    let node = this.#root;
    let start = 0;
    let end = Infinity;
    while (!node.isLeaf) {
      const slot = node.slotOf(page);
      start = node.startAt(slot);
      if (slot + 1 < node.count) {
        end = node.startAt(slot + 1);
      }
      node = node.child(slot);
    }
    this.#leafStart = start;
    this.#leafEnd = end;
    return node;
  }

  /** The last entry that starts at or before this page. */
  #lastUpTo(page: number): V | undefined {
    const leaf = this.#leafAt(page);
    const slot = leaf.slotOf(page);
    return slot < 0 ? this.#lastBelow(this.#leafStart) : leaf.items[slot];
  }

  /** The last entry before a leaf that begins at this page. */
  #lastBelow(leafStart: number): V | undefined {
    if (leafStart === 0) {
      return undefined;
    }
    const leaf = this.#leafAt(leafStart - 1);
    return leaf.items[leaf.count - 1];
  }

  /** The first overlap of `range`, of which `slot` of the leaf just found is the last that starts at or before its start. */
  #overlapAt(leaf: Leaf<V>, slot: number, range: MemoryRange): V | undefined {
    const { startPage, endPage } = range;
    const leafEnd = this.#leafEnd;
    const before = slot < 0 ? this.#lastBelow(this.#leafStart) : leaf.items[slot];
    if (before !== undefined && before.range.endPage > startPage) {
      return before;
    }
    if (slot + 1 < leaf.count) {
      return leaf.startAt(slot + 1) < endPage ? leaf.items[slot + 1] : undefined;
    }
    if (leafEnd >= endPage) {
      return undefined;
    }
    const next = this.#leafAt(leafEnd);
    return next.startAt(0) < endPage ? next.items[0] : undefined;
  }

  /** Puts a new entry into the leaf where it belongs, at `slot`. */
  #put(leaf: Leaf<V>, slot: number, startPage: number, value: V): void {
    if (leaf.owner === this.#owner && !leaf.isFull) {
      leaf.insertAt(slot, startPage, value);
    } else {
      const roomy = this.#leafWithRoom(startPage);
      roomy.insertAt(roomy.slotOf(startPage) + 1, startPage, value);
    }
    this.#size++;
  }

  /** The leaf that this page belongs to, made changeable and not full, as is every branch on the way to it. */
  #leafWithRoom(page: number): Leaf<V> {
    let node = (this.#root = this.#root.ownedBy(this.#owner));
    if (node.isFull) {
      const root = new Branch<V>(this.#owner);
      root.insertAt(0, 0, node);
      node = this.#root = root;
    }
    while (!node.isLeaf) {
      let slot = node.slotOf(page);
      if (node.child(slot).isFull) {
        node.relieve(slot);
        slot = node.slotOf(page);
      }
      node = node.ownedChild(slot);
    }
    return node;
  }

  /** The leaf that this page belongs to, made changeable and not scarce, as is every branch on the way to it. */
  #leafWithSpare(page: number): Leaf<V> {
    let node = (this.#root = this.#root.ownedBy(this.#owner));
    while (!node.isLeaf) {
      let slot = node.slotOf(page);
      if (node.child(slot).isScarce) {
        node.replenish(slot);
        slot = node.slotOf(page);
      }
      const child: Node<V> = node.ownedChild(slot);
      if (node === this.#root && node.count === 1) {
        this.#root = child;
      }
      node = child;
    }
    return node;
  }
}
