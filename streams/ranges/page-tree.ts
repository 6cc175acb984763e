import { makeSpaceInChild, refillChild } from './btree-balance.js';
import { Block, blockOf, firstSlotOf, indexInBlock, search, type Node } from './btree-block.js';
import { CHILDREN_PER_NODE, ENTRIES_PER_LEAF, Level, UNDERFULL_LEAF_ENTRIES } from './btree-level.js';

/** The block of an empty tree. Nothing is ever inserted into it. */
const EMPTY_BLOCK = new Block();

/**
 * A B+ tree of disjoint page ranges. Each entry has a number, its reference. A search reads only page numbers.
 *
 * Invariants, checked by `check()`:
 *
 * 1. Entries are in the leaves only; all leaves have the same depth. Each level above the leaves refers to the nodes of the level below, each node
 *    once. The highest level has one node, the root.
 * 2. A node has at least one item, and at most as many as its width. Exceptions: the root has at least two items if it is not a leaf, and none in
 *    an empty tree.
 * 3. The items of a node are in its first slots. Their starts are strictly ascending. The start of an unused slot is `Infinity`.
 * 4. The entries do not overlap: each ends at or before the start of the next one. An entry may extend into the pages of the next leaf.
 * 5. The start of an item above the leaves is a lower bound of all starts below it, and an upper bound (exclusive) of all starts below the items
 *    before it. It need not be the start of an entry. The first item of a node has the start of the node; that of the root is 0.
 * 6. `entryCount` is the number of entries.
 *
 * A leaf that becomes nearly empty is refilled before an entry is removed from it; the same applies to the nodes on the path to it. There is no
 * minimum: a tree that is filled in ascending order has full nodes, except for the last node of each level.
 */
export class PageTree {
  /** The leaves; `undefined` in an empty tree that has not been used. */
  #leaves: Level | undefined = undefined;
  /** The levels above the leaves, from the lowest one up. */
  readonly #upperLevels: Level[] = [];
  /** The only node of the highest level. */
  #root: Node = 0;
  protected entryCount = 0;

  /** The leaf that the last `find` found. */
  protected leaf: Node = 0;
  /** Its block. */
  protected block = EMPTY_BLOCK;
  /** Its first slot in the block, and the slot after its last entry. */
  protected first = 0;
  protected end = 0;
  /**
   * The pages that belong to it, from `leafStart` up to (not including) `leafEnd`, which is `Infinity` for the last leaf. None after the nodes have
   * changed.
   */
  protected leafStart = Infinity;
  protected leafEnd = Infinity;

  /**
   * Finds the leaf that a page belongs to.
   *
   * @returns the slot in its block of the last entry that starts at or before the page; `first - 1` if there is none
   */
  protected find(page: number): number {
    // Most pages belong to the leaf of the last one: a set is in ascending order, and a search precedes each change.
    if (page >= this.leafStart && page < this.leafEnd) {
      const { block, first } = this;
      this.end = first + (block.counts[indexInBlock(this.leaf)] as number);
      return search(block.starts, first, ENTRIES_PER_LEAF, page);
    }
    return this.#descend(page);
  }

  /** As `find`, from the root down. */
  #descend(page: number): number {
    const leaves = this.#leaves;
    if (leaves === undefined) {
      return -1;
    }
    let node = this.#root;
    let start = 0;
    let end = Infinity;
    for (let height = this.#upperLevels.length - 1; height >= 0; height--) {
      const level = this.#upperLevels[height] as Level;
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
    this.leaf = node;
    this.block = block;
    this.first = first;
    this.end = first + (block.counts[indexInBlock(node)] as number);
    this.leafStart = start;
    this.leafEnd = end;
    return search(block.starts, first, ENTRIES_PER_LEAF, page);
  }

  /** Whether there is an entry in `slot`, the result of `find(page)`, and it starts at the page. */
  protected startsAt(slot: number, page: number): boolean {
    return slot >= this.first && this.block.starts[slot] === page;
  }

  /** Removes the entry in `slot`, the result of `find(startPage)`, and returns its reference. */
  protected removeAt(slot: number, startPage: number): number {
    if (this.#upperLevels.length > 0 && this.end - this.first <= UNDERFULL_LEAF_ENTRIES) {
      this.#refill(startPage);
      slot = this.find(startPage);
    }
    const ref = this.block.refs[slot] as number;
    this.block.remove(slot, this.end, this.leaf);
    this.entryCount--;
    return ref;
  }

  /** Inserts an entry in `slot`, which is the result of `find(startPage)` plus 1. It must not overlap another entry. */
  protected insertAt(slot: number, startPage: number, endPage: number, ref: number): void {
    if (this.#leaves === undefined) {
      this.#leafLevel();
      slot = 0;
    } else if (this.end - this.first === ENTRIES_PER_LEAF) {
      this.#makeRoom(startPage, slot === this.end && this.leafEnd === Infinity);
      slot = this.find(startPage) + 1;
    }
    this.block.insert(slot, this.end, this.leaf, startPage, endPage, ref);
    this.entryCount++;
  }

  #leafLevel(): Level {
    if (this.#leaves === undefined) {
      this.#leaves = new Level(ENTRIES_PER_LEAF);
      this.#root = this.#leaves.add();
      this.#descend(0);
    }
    return this.#leaves;
  }

  /** Ensures that the leaf of this page, and each node on the path to it, is not full. `atEnd`: see `makeSpaceInChild`. */
  #makeRoom(page: number, atEnd: boolean): void {
    this.leafStart = Infinity;
    const top = this.#upperLevels.at(-1) ?? this.#leafLevel();
    if (top.isFull(this.#root)) {
      const level = new Level(CHILDREN_PER_NODE);
      const root = level.add();
      level.insertAt(root, 0, 0, 0, this.#root);
      this.#upperLevels.push(level);
      this.#root = root;
    }
    let node = this.#root;
    for (let height = this.#upperLevels.length - 1; height >= 0; height--) {
      const level = this.#upperLevels[height] as Level;
      const below = this.#upperLevels[height - 1] ?? this.#leafLevel();
      const slot = level.slotOf(node, page);
      if (below.isFull(level.refAt(node, slot))) {
        makeSpaceInChild(level, node, slot, below, atEnd);
      }
      node = level.refAt(node, level.slotOf(node, page));
    }
  }

  /** Ensures that the leaf of this page, and each node on the path to it, is not underfull. */
  #refill(page: number): void {
    this.leafStart = Infinity;
    let node = this.#root;
    for (let height = this.#upperLevels.length - 1; height >= 0; height--) {
      const level = this.#upperLevels[height] as Level;
      const below = this.#upperLevels[height - 1] ?? this.#leafLevel();
      const slot = level.slotOf(node, page);
      if (below.isUnderfull(level.refAt(node, slot))) {
        refillChild(level, node, slot, below);
      }
      const child = level.refAt(node, level.slotOf(node, page));
      if (node === this.#root && level.count(node) === 1) {
        this.#upperLevels.pop();
        this.#root = child;
      }
      node = child;
    }
  }

  /**
   * Checks the invariants, for tests: visits every node.
   *
   * @param isEntry whether the reference is that of an entry with these pages
   * @throws Error that names the first invariant that does not hold
   */
  protected checkTree(isEntry: (ref: number, startPage: number, endPage: number) => boolean): void {
    let count = 0;
    let lastEnd = 0;
    const require = (isTrue: boolean, invariant: string): void => {
      if (!isTrue) {
        throw new Error(`range map is damaged: ${invariant}`);
      }
    };
    const visited = new Set<string>();
    const visit = (node: Node, height: number, start: number, end: number): void => {
      const level = height < 0 ? this.#leafLevel() : (this.#upperLevels[height] as Level);
      const items = level.count(node);
      const isRoot = node === this.#root && height === this.#upperLevels.length - 1;
      const least = !isRoot ? 1 : height >= 0 ? 2 : 0;
      require(!visited.has(`${height}:${node}`), `node ${node} is referenced once`);
      visited.add(`${height}:${node}`);
      require(items >= least &&
        items <= level.width, `node ${node} has ${least} to ${level.width} items, not ${items}`);
      for (let slot = 0; slot < level.width; slot++) {
        const itemStart = level.startAt(node, slot);
        if (slot >= items) {
          require(itemStart === Infinity, `slot ${slot} of node ${node} is unused`);
          continue;
        }
        const nextStart = slot + 1 < items ? level.startAt(node, slot + 1) : end;
        require(itemStart >= start &&
          itemStart < nextStart, `starts of node ${node} ascend from ${start} to below ${end}`);
        if (height >= 0) {
          require(slot > 0 ||
            itemStart === start, `the first item of node ${node} starts at page ${start}, as the node does`);
          visit(level.refAt(node, slot), height - 1, itemStart, nextStart);
          continue;
        }
        const itemEnd = level.endAt(node, slot);
        require(itemStart >= lastEnd && itemEnd > itemStart, `the entry at page ${itemStart} overlaps no other`);
        require(isEntry(level.refAt(node, slot), itemStart, itemEnd), `the entry at page ${itemStart} has its pages`);
        lastEnd = itemEnd;
        count += 1;
      }
    };
    if (this.#leaves !== undefined) {
      visit(this.#root, this.#upperLevels.length - 1, 0, Infinity);
    }
    require(count === this.entryCount, `${this.entryCount} entries are counted, not ${count}`);
  }
}
