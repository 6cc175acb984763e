import type { MemoryRange } from './memory-range.js';
import { makeSpaceInChild, refillChild } from './btree-balance.js';
import {
  Block,
  blockOf,
  ENTRIES_PER_LEAF,
  firstSlotOf,
  Level,
  CHILDREN_PER_NODE,
  indexInBlock,
  UNDERFULL_LEAF_ENTRIES,
  search,
  type Node,
} from './btree-level.js';
import { Slab } from './slab.js';

/** Something that has a place in the address space. */
export interface Ranged {
  readonly range: MemoryRange;
}

/** How far entries have been copied. */
export interface CopyCursor {
  /** Where to go on: 0 at first, `Infinity` after the last. */
  page: number;
  /** The place in the list for the next one. */
  at: number;
}

/** The memory of an empty map. Nothing is ever put into it. */
const NO_BLOCK = new Block();

/**
 * A sorted map of disjoint ranges, by their first page: a B+ tree. A lookup or a change takes time that grows with the logarithm of the
 * size; a search reads page numbers alone and touches no entry but the one that it finds.
 */
export class RangeMap<V extends Ranged> implements Iterable<V> {
  readonly #entries = new Slab<V>();
  /** The leaves, where the entries are in order, and above them the levels by which they are found; the last one has a single node. */
  #leaves: Level | undefined = undefined;
  readonly #above: Level[] = [];
  /** The only node of the highest level. */
  #root: Node = 0;
  #size = 0;

  /** Set by `#find`: the leaf that a page belongs to, its memory, its slots in use, and the pages that are its own. */
  #leaf: Node = 0;
  #block = NO_BLOCK;
  #first = 0;
  #end = 0;
  #leafStart = 0;
  /** `Infinity` ends the last leaf. */
  #leafEnd = Infinity;

  /** Number of entries. */
  get size(): number {
    return this.#size;
  }

  /** The entry that starts at this page. */
  startingAt(startPage: number): V | undefined {
    const slot = this.#find(startPage);
    return this.#startsAt(slot, startPage) ? this.#entryAt(slot) : undefined;
  }

  /** Whether an entry shares a page with `range`. */
  overlaps(range: MemoryRange): boolean {
    return this.firstOverlap(range) !== undefined;
  }

  /** The entry with the lowest address that shares a page with `range`. */
  firstOverlap({ startPage, endPage }: MemoryRange): V | undefined {
    return this.#overlapAt(this.#find(startPage), startPage, endPage);
  }

  /** All entries that share a page with `range`, ascending and whole. */
  overlapping(range: MemoryRange): V[] {
    const found: V[] = [];
    const { startPage, endPage } = range;
    const slot = this.#find(startPage);
    const before = slot < this.#first ? this.#lastBelow() : this.#entryAt(slot);
    if (before !== undefined && before.range.endPage > startPage) {
      found.push(before);
    }
    // Those that start later than `startPage`, leaf by leaf.
    for (let page = startPage; page < endPage; page = this.#leafEnd) {
      const upTo = this.#find(page);
      const { starts } = this.#block;
      for (let next = page === startPage ? upTo + 1 : this.#first; next < this.#end; next++) {
        if ((starts[next] as number) >= endPage) {
          return found;
        }
        found.push(this.#entryAt(next) as V);
      }
    }
    return found;
  }

  /** Inserts. If something overlaps, nothing changes, and the entry in the way with the lowest address is returned. */
  insert(value: V): V | undefined {
    const { startPage, endPage } = value.range;
    let slot = this.#find(startPage);
    const leaf = this.#leaf;
    const inTheWay = this.#overlapAt(slot, startPage, endPage);
    if (inTheWay !== undefined) {
      return inTheWay;
    }
    if (leaf !== this.#leaf) {
      slot = this.#find(startPage); // A neighbour was looked at.
    }
    this.#put(slot + 1, value);
    return undefined;
  }

  /** Inserts, or replaces the entry with the same range. Whether it overlaps another is not checked. */
  replace(value: V): void {
    const { startPage, endPage } = value.range;
    const slot = this.#find(startPage);
    if (this.#startsAt(slot, startPage)) {
      this.#entries.replace(this.#block.refs[slot] as number, value);
      this.#block.ends[slot] = endPage;
    } else {
      this.#put(slot + 1, value);
    }
  }

  /** Removes the entry that starts where `range` does, and returns it. */
  remove({ startPage }: MemoryRange): V | undefined {
    const slot = this.#find(startPage);
    return this.#startsAt(slot, startPage) ? this.#take(slot, startPage) : undefined;
  }

  /** Removes the entry of exactly this range, and returns it. */
  removeExact({ startPage, endPage }: MemoryRange): V | undefined {
    const slot = this.#find(startPage);
    return this.#startsAt(slot, startPage) && this.#block.ends[slot] === endPage
      ? this.#take(slot, startPage)
      : undefined;
  }

  /** Ascending. Not to be changed meanwhile. */
  *values(): IterableIterator<V> {
    for (let page = 0; page < Infinity;) {
      this.#find(page);
      // Somebody may look something up between two steps.
      const { refs } = this.#block;
      const end = this.#end;
      page = this.#leafEnd;
      for (let slot = this.#first; slot < end; slot++) {
        yield this.#entries.at(refs[slot] as number) as V;
      }
    }
  }

  [Symbol.iterator](): IterableIterator<V> {
    return this.values();
  }

  /** Ascending. */
  toArray(): V[] {
    if (this.#size === 1) {
      this.#find(Infinity);
      return [this.#entryAt(this.#first) as V];
    }
    const values: V[] = [];
    this.copyTo(values, { page: 0, at: 0 }, Infinity);
    return values;
  }

  /** Copies about so many entries into a list, ascending, from where the cursor is, and moves it on. Not to be changed between two of them. */
  copyTo(values: V[], cursor: CopyCursor, count: number): void {
    let { page, at } = cursor;
    const enough = at + count;
    while (page < Infinity && at < enough) {
      this.#find(page);
      for (let slot = this.#first; slot < this.#end; slot++) {
        values[at++] = this.#entryAt(slot) as V;
      }
      page = this.#leafEnd;
    }
    cursor.page = page;
    cursor.at = at;
  }

  /**
   * Finds the leaf that this page belongs to, whether an entry starts there or not. Returns where in its block the last entry is that starts
   * at or before the page; the place before its first, when none does.
   */
  #find(page: number): number {
    const leaves = this.#leaves;
    if (leaves === undefined) {
      return -1;
    }
    let node = this.#root;
    let start = 0;
    let end = Infinity;
    for (let height = this.#above.length - 1; height >= 0; height--) {
      const level = this.#above[height] as Level;
      const { starts, refs, counts } = level.blocks[blockOf(node)] as Block;
      const first = firstSlotOf(node, CHILDREN_PER_NODE);
      const slot = search(starts, first, CHILDREN_PER_NODE, page);
      start = starts[slot] as number;
      if (slot + 1 < first + (counts[indexInBlock(node)] as number)) {
        end = starts[slot + 1] as number;
      }
      node = refs[slot] as Node;
    }
    const block = leaves.blocks[blockOf(node)] as Block;
    const first = firstSlotOf(node, ENTRIES_PER_LEAF);
    this.#leaf = node;
    this.#block = block;
    this.#first = first;
    this.#end = first + (block.counts[indexInBlock(node)] as number);
    this.#leafStart = start;
    this.#leafEnd = end;
    return search(block.starts, first, ENTRIES_PER_LEAF, page);
  }

  /** The entry in a slot of the leaf that was found, if there is one. */
  #entryAt(slot: number): V | undefined {
    const ref = this.#block.refs[slot];
    return ref === undefined ? undefined : this.#entries.at(ref);
  }

  /** Whether what was found for a page starts at it. */
  #startsAt(slot: number, page: number): boolean {
    return slot >= this.#first && this.#block.starts[slot] === page;
  }

  /** The first overlap with these pages, where `slot` is what was found for the first of them. May look at another leaf. */
  #overlapAt(slot: number, startPage: number, endPage: number): V | undefined {
    const { starts, ends } = this.#block;
    const [next, end, leafEnd] = [slot + 1, this.#end, this.#leafEnd];
    if (slot >= this.#first) {
      if ((ends[slot] as number) > startPage) {
        return this.#entryAt(slot);
      }
    } else if (this.#leafStart > 0) {
      const before = this.#lastBelow();
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
    this.#find(leafEnd);
    const first = this.#entryAt(this.#first);
    return first !== undefined && first.range.startPage < endPage ? first : undefined;
  }

  /** The last entry before the leaf that was found, which is forgotten. */
  #lastBelow(): V | undefined {
    if (this.#leafStart === 0) {
      return undefined;
    }
    this.#find(this.#leafStart - 1);
    return this.#entryAt(this.#end - 1);
  }

  /** Takes the entry that was found out of its leaf. */
  #take(slot: number, startPage: number): V | undefined {
    if (this.#above.length > 0 && this.#end - this.#first <= UNDERFULL_LEAF_ENTRIES) {
      this.#fillUp(startPage);
      slot = this.#find(startPage);
    }
    const value = this.#entries.take(this.#block.refs[slot] as number);
    this.#block.remove(slot, this.#end, this.#leaf);
    this.#size--;
    return value;
  }

  /** Puts a new entry into the leaf that was found, in this place of its block. */
  #put(slot: number, value: V): void {
    const { startPage, endPage } = value.range;
    if (this.#leaves === undefined) {
      this.#leafLevel();
      slot = 0;
    } else if (this.#end - this.#first === ENTRIES_PER_LEAF) {
      this.#makeRoom(startPage, slot === this.#end && this.#leafEnd === Infinity);
      slot = this.#find(startPage) + 1;
    }
    this.#block.insert(slot, this.#end, this.#leaf, startPage, endPage, this.#entries.put(value));
    this.#size++;
  }

  #leafLevel(): Level {
    if (this.#leaves === undefined) {
      this.#leaves = new Level(ENTRIES_PER_LEAF);
      this.#root = this.#leaves.add();
      this.#find(0);
    }
    return this.#leaves;
  }

  /** Sees to it that the leaf that this page belongs to is not full, nor any node on the way to it; `atEnd` as of `relieve`. */
  #makeRoom(page: number, atEnd: boolean): void {
    const top = this.#above.at(-1) ?? this.#leafLevel();
    if (top.isFull(this.#root)) {
      const level = new Level(CHILDREN_PER_NODE);
      const root = level.add();
      level.insertAt(root, 0, 0, 0, this.#root);
      this.#above.push(level);
      this.#root = root;
    }
    let node = this.#root;
    for (let height = this.#above.length - 1; height >= 0; height--) {
      const level = this.#above[height] as Level;
      const below = this.#above[height - 1] ?? this.#leafLevel();
      const slot = level.slotOf(node, page);
      if (below.isFull(level.refAt(node, slot))) {
        makeSpaceInChild(level, node, slot, below, atEnd);
      }
      node = level.refAt(node, level.slotOf(node, page));
    }
  }

  /** Sees to it that the leaf that this page belongs to is not scarce, nor any node on the way to it. */
  #fillUp(page: number): void {
    let node = this.#root;
    for (let height = this.#above.length - 1; height >= 0; height--) {
      const level = this.#above[height] as Level;
      const below = this.#above[height - 1] ?? this.#leafLevel();
      const slot = level.slotOf(node, page);
      if (below.isUnderfull(level.refAt(node, slot))) {
        refillChild(level, node, slot, below);
      }
      const child = level.refAt(node, level.slotOf(node, page));
      if (node === this.#root && level.count(node) === 1) {
        this.#above.pop();
        this.#root = child;
      }
      node = child;
    }
  }
}
