/** Slots that a search skips in one step. The search takes the fewest steps near the square root of the width. */
const SLOTS_PER_RUN = 8;

/** Number of nodes in a block: its binary logarithm, and the mask of the index of a node in its block. */
const NODES_PER_BLOCK_BITS = 6;
const NODE_IN_BLOCK_MASK = (1 << NODES_PER_BLOCK_BITS) - 1;

/** The start in an unused slot: greater than any page number. */
export const EMPTY_SLOT = Infinity;

/** The number of a node in its level. */
export type Node = number;

/**
 * The slots of several nodes, one node after another. The arrays are short at first, because most maps are small, and grow to full length before
 * the next block is made. So no large array is ever copied.
 */
export class Block {
  /** First page of each item, in ascending order in each node; `Infinity` in an unused slot. */
  starts = new Float64Array(SLOTS_PER_RUN).fill(EMPTY_SLOT);
  /** The page after the last page of each entry. Not used above the leaves. */
  ends = new Float64Array(SLOTS_PER_RUN);
  /** The reference of each entry, or the number of each child node. */
  refs = new Int32Array(SLOTS_PER_RUN);
  /** Number of items of each node. */
  readonly counts: number[] = [];

  /** Inserts an item in a slot of `node`, and moves the items from `slot` up to (not including) `last`, the first unused slot, by one. */
  insert(slot: number, last: number, node: Node, start: number, end: number, ref: number): void {
    if (last >= this.starts.length) {
      this.reserve(last + 1);
    }
    const { starts, ends, refs } = this;
    for (let index = last; index > slot; index--) {
      starts[index] = starts[index - 1] as number;
      ends[index] = ends[index - 1] as number;
      refs[index] = refs[index - 1] as number;
    }
    starts[slot] = start;
    ends[slot] = end;
    refs[slot] = ref;
    this.counts[indexInBlock(node)] = (this.counts[indexInBlock(node)] as number) + 1;
  }

  /** Removes the item in a slot of `node`, and moves the items after it, up to (not including) `end`, back by one. */
  remove(slot: number, end: number, node: Node): void {
    const { starts, ends, refs } = this;
    const last = end - 1;
    for (let index = slot; index < last; index++) {
      starts[index] = starts[index + 1] as number;
      ends[index] = ends[index + 1] as number;
      refs[index] = refs[index + 1] as number;
    }
    starts[last] = EMPTY_SLOT;
    this.counts[indexInBlock(node)] = (this.counts[indexInBlock(node)] as number) - 1;
  }

  /** Ensures that the block has at least this number of slots. */
  reserve(slots: number): void {
    let length = this.starts.length;
    if (slots <= length) {
      return;
    }
    while (length < slots) {
      length *= 2;
    }
    const starts = new Float64Array(length);
    starts.set(this.starts);
    starts.fill(EMPTY_SLOT, this.starts.length);
    const ends = new Float64Array(length);
    ends.set(this.ends);
    const refs = new Int32Array(length);
    refs.set(this.refs);
    this.starts = starts;
    this.ends = ends;
    this.refs = refs;
  }
}

/** The index of the first slot of a node in the arrays of its block. */
export function firstSlotOf(node: Node, width: number): number {
  return indexInBlock(node) * width;
}

/** The index of a node in its block. */
export function indexInBlock(node: Node): number {
  return node & NODE_IN_BLOCK_MASK;
}

/** The index of the block of a node in its level. */
export function blockOf(node: Node): number {
  return node >> NODES_PER_BLOCK_BITS;
}

/**
 * The last of the `width` slots from `first` on whose start is at most `page`; `first - 1` if there is none.
 *
 * Counts first the runs that start at or before `page`, and then the slots of the last of these runs. The comparisons do not depend on each other
 * and there are no branches on their results. So this takes a third of the time of a binary search, in which half of the branches are mispredicted.
 */
export function search(starts: Float64Array, first: number, width: number, page: number): number {
  const end = Math.min(first + width, starts.length);
  let run = first;
  for (let slot = first + SLOTS_PER_RUN; slot < end; slot += SLOTS_PER_RUN) {
    run += Number((starts[slot] as number) <= page) * SLOTS_PER_RUN;
  }
  let found = run - 1;
  for (let slot = run; slot < run + SLOTS_PER_RUN; slot++) {
    found += Number((starts[slot] as number) <= page);
  }
  return found;
}
