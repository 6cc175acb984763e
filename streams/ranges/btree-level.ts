/**
 * Items that a node holds at most, multiples of `RUN`: of entries, which change all the time, and of nodes, which are mostly searched.
 * Narrower nodes change faster, wider ones make the tree lower.
 */
export const ENTRIES_PER_LEAF = 32;
export const CHILDREN_PER_NODE = 64;

/** A node that holds no more than this share of its width is filled up from a neighbour, or joined with it, before an item is taken out. */
const UNDERFULL_SHARE = 1 / 4;
export const UNDERFULL_LEAF_ENTRIES = ENTRIES_PER_LEAF * UNDERFULL_SHARE;

/** Neighbours that hold no more than this share of one together are joined; a node that holds no more takes the surplus of a full one. */
const JOINED_SHARE_MAX = 5 / 6;

/** Slots that a search takes together; near the square root of the width, where it takes the fewest steps. */
const SLOTS_PER_RUN = 8;

/** Nodes that share their arrays: as a power of two, and as a mask. */
const NODES_PER_BLOCK_BITS = 6;
const NODE_IN_BLOCK_MASK = (1 << NODES_PER_BLOCK_BITS) - 1;

/** What a search finds in an empty slot: greater than any page number. */
const EMPTY_SLOT = Infinity;

/** A node: a number in its level. */
export type Node = number;

/**
 * The memory of some nodes, one after another. The arrays begin short, because most maps are small, and grow to full
 * length before the next block is begun; so nothing large is ever copied.
 */
export class Block {
  /** First page of each item, ascending in a node; `Infinity` in an empty slot. */
  starts = new Float64Array(SLOTS_PER_RUN).fill(EMPTY_SLOT);
  /** The page after the last of each item. */
  ends = new Float64Array(SLOTS_PER_RUN);
  /** What each item is: a number that says where to find it. */
  refs = new Int32Array(SLOTS_PER_RUN);
  /** Items of each node. */
  readonly counts: number[] = [];

  /** Puts an item into this slot, and moves those from it up to `last` one on. `node` is the one whose slots they are. */
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

  /** Takes an item out of its slot, and moves those behind it, up to `end`, one back. */
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

  /** Makes room for so many slots in all. */
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

/**
 * One level of the tree: nodes of items in ascending order, each with its pages. Pages stand in arrays of their own, which many nodes
 * share: a search touches no item, and no object of a node, whose memory would have to be fetched first. Items are numbers, which can be moved
 * without the collector's being told.
 *
 * In the lowest level the items are the entries of the map. Above it they are nodes of the level below; there the first page of an item is
 * a lower bound: nothing below it is lower, and everything before it is.
 */
export class Level {
  /** Items that a node holds at most. */
  readonly width: number;
  readonly blocks: Block[] = [];
  readonly #free: Node[] = [];
  #nodes = 0;

  constructor(width: number) {
    this.width = width;
  }

  /** A new node, empty. */
  add(): Node {
    const node = this.#free.pop() ?? this.#nodes++;
    const index = node >> NODES_PER_BLOCK_BITS;
    const block = (this.blocks[index] ??= new Block());
    block.counts[indexInBlock(node)] = 0;
    return node;
  }

  block(node: Node): Block {
    const block = this.blocks[node >> NODES_PER_BLOCK_BITS];
    if (block === undefined) {
      throw new Error(`range map is damaged: there is no node ${node}`);
    }
    return block;
  }

  count(node: Node): number {
    return this.block(node).counts[indexInBlock(node)] ?? 0;
  }

  isFull(node: Node): boolean {
    return this.count(node) === this.width;
  }

  isUnderfull(node: Node): boolean {
    return this.count(node) <= this.width * UNDERFULL_SHARE;
  }

  hasSpareRoom(node: Node): boolean {
    return this.count(node) <= this.#roomy;
  }

  /** Whether two neighbours would fit into one node, with room for more. */
  canJoin(node: Node, next: Node): boolean {
    return this.count(node) + this.count(next) <= this.#roomy;
  }

  get #roomy(): number {
    return this.width * JOINED_SHARE_MAX;
  }

  startAt(node: Node, slot: number): number {
    return this.block(node).starts[firstSlotOf(node, this.width) + slot] ?? EMPTY_SLOT;
  }

  refAt(node: Node, slot: number): number {
    const ref = this.block(node).refs[firstSlotOf(node, this.width) + slot];
    if (ref === undefined) {
      throw new Error(`range map is damaged: node ${node} has no slot ${slot}`);
    }
    return ref;
  }

  /** The last slot whose start is at most `page`; -1 when there is none. */
  slotOf(node: Node, page: number): number {
    const first = firstSlotOf(node, this.width);
    return search(this.block(node).starts, first, this.width, page) - first;
  }

  /** Needs an empty slot: not for a full node. */
  insertAt(node: Node, slot: number, start: number, end: number, ref: number): void {
    const first = firstSlotOf(node, this.width);
    this.block(node).insert(first + slot, first + this.count(node), node, start, end, ref);
  }

  removeAt(node: Node, slot: number): void {
    const first = firstSlotOf(node, this.width);
    this.block(node).remove(first + slot, first + this.count(node), node);
  }

  setStart(node: Node, slot: number, start: number): void {
    this.block(node).starts[firstSlotOf(node, this.width) + slot] = start;
  }

  /** Gives two neighbours as many items each. */
  distributeEvenly(node: Node, next: Node): void {
    const [before, after] = [this.count(node), this.count(next)];
    const half = (before + after) >> 1;
    if (before > half) {
      const amount = before - half;
      this.#shift(next, amount);
      this.#copy(node, half, next, 0, amount);
      this.#resize(next, after + amount);
      this.#resize(node, half);
    } else {
      this.#takeFirst(node, next, half - before);
    }
  }

  /** Moves the last item of a node to the next one, which is empty. */
  moveLast(node: Node, next: Node): void {
    const last = this.count(node) - 1;
    this.#copy(node, last, next, 0, 1);
    this.#resize(next, 1);
    this.#resize(node, last);
  }

  /** Moves all items of the next node to the end of this one, and ends the next. */
  join(node: Node, next: Node): void {
    this.#takeFirst(node, next, this.count(next));
    this.#free.push(next);
  }

  #takeFirst(node: Node, next: Node, amount: number): void {
    const [before, after] = [this.count(node), this.count(next)];
    this.#copy(next, 0, node, before, amount);
    this.#resize(node, before + amount);
    const { starts, ends, refs } = this.block(next);
    const first = firstSlotOf(next, this.width);
    starts.copyWithin(first, first + amount, first + after);
    ends.copyWithin(first, first + amount, first + after);
    refs.copyWithin(first, first + amount, first + after);
    this.#resize(next, after - amount);
  }

  /** Moves what is in a node so many slots up. */
  #shift(node: Node, amount: number): void {
    const block = this.block(node);
    const first = firstSlotOf(node, this.width);
    const end = first + this.count(node);
    block.reserve(end + amount);
    block.starts.copyWithin(first + amount, first, end);
    block.ends.copyWithin(first + amount, first, end);
    block.refs.copyWithin(first + amount, first, end);
  }

  #copy(from: Node, fromSlot: number, to: Node, toSlot: number, amount: number): void {
    const source = this.block(from);
    const target = this.block(to);
    const first = firstSlotOf(from, this.width) + fromSlot;
    const at = firstSlotOf(to, this.width) + toSlot;
    target.reserve(at + amount);
    for (let index = 0; index < amount; index++) {
      target.starts[at + index] = source.starts[first + index] ?? EMPTY_SLOT;
      target.ends[at + index] = source.ends[first + index] ?? 0;
      target.refs[at + index] = source.refs[first + index] ?? 0;
    }
  }

  /** Sets the number of items, and empties the slots behind them. */
  #resize(node: Node, count: number): void {
    const block = this.block(node);
    const first = firstSlotOf(node, this.width);
    const before = block.counts[indexInBlock(node)] ?? 0;
    if (count < before) {
      block.starts.fill(EMPTY_SLOT, first + count, first + before);
    }
    block.counts[indexInBlock(node)] = count;
  }
}

/** Where the slots of a node begin in the arrays of its block. */
export function firstSlotOf(node: Node, width: number): number {
  return indexInBlock(node) * width;
}

/** Which of the nodes of its block a node is. */
export function indexInBlock(node: Node): number {
  return node & NODE_IN_BLOCK_MASK;
}

/** Which of the blocks of a level has a node. */
export function blockOf(node: Node): number {
  return node >> NODES_PER_BLOCK_BITS;
}

/**
 * The last of the `width` slots from `first` on whose start is at most `page`; `first - 1` when there is none.
 *
 * Counts: first the runs of slots that come before `page`, then the slots in the run after them. The comparisons do not wait for one
 * another and nothing branches on them, so this takes a third of the time of a binary search, of whose branches every other is
 * mispredicted.
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
