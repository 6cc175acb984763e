import { Block, blockOf, EMPTY_SLOT, firstSlotOf, indexInBlock, search, type Node } from './btree-block.js';

/**
 * Limits of items in a node, multiples of `SLOTS_PER_RUN`. Small nodes can be changed faster; large nodes make the tree lower. Leaves change often,
 * the nodes above them are mostly searched.
 */
export const ENTRIES_PER_LEAF = 32;
export const CHILDREN_PER_NODE = 64;

/** A node with at most this share of its width is refilled from a neighbour, or joined with it, before an item is removed. */
const UNDERFULL_SHARE = 1 / 4;
export const UNDERFULL_LEAF_ENTRIES = ENTRIES_PER_LEAF * UNDERFULL_SHARE;

/** Neighbours are joined if the joined node has at most this share of its width. A node with at most this share takes items from a full neighbour. */
const JOINED_SHARE_MAX = 5 / 6;

/**
 * One level of a B+ tree: nodes with items in ascending order. The items of the lowest level are the entries, those of the other levels are the nodes
 * of the level below: see `PageTree`.
 *
 * The nodes of a block share their arrays. A search reads no object of an entry or a node, whose memory would have to be fetched first. Items are
 * numbers, which can be moved without write barriers of the garbage collector.
 */
export class Level {
  /** Limit of items in a node. */
  readonly width: number;
  readonly blocks: Block[] = [];
  readonly #free: Node[] = [];
  #nodes = 0;

  constructor(width: number) {
    this.width = width;
  }

  /** Makes an empty node. */
  add(): Node {
    const node = this.#free.pop() ?? this.#nodes++;
    const index = blockOf(node);
    const block = (this.blocks[index] ??= new Block());
    block.counts[indexInBlock(node)] = 0;
    return node;
  }

  block(node: Node): Block {
    const block = this.blocks[blockOf(node)];
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
    return this.count(node) <= this.#joinedCountMax;
  }

  /** Whether two neighbours fit into one node, with spare room. */
  canJoin(node: Node, next: Node): boolean {
    return this.count(node) + this.count(next) <= this.#joinedCountMax;
  }

  get #joinedCountMax(): number {
    return this.width * JOINED_SHARE_MAX;
  }

  startAt(node: Node, slot: number): number {
    return this.block(node).starts[firstSlotOf(node, this.width) + slot] ?? EMPTY_SLOT;
  }

  endAt(node: Node, slot: number): number {
    return this.block(node).ends[firstSlotOf(node, this.width) + slot] ?? 0;
  }

  refAt(node: Node, slot: number): number {
    const ref = this.block(node).refs[firstSlotOf(node, this.width) + slot];
    if (ref === undefined) {
      throw new Error(`range map is damaged: node ${node} has no slot ${slot}`);
    }
    return ref;
  }

  /** The last slot whose start is at most `page`; -1 if there is none. */
  slotOf(node: Node, page: number): number {
    const first = firstSlotOf(node, this.width);
    return search(this.block(node).starts, first, this.width, page) - first;
  }

  /** Inserts an item. The node must not be full. */
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

  /** Moves items between two neighbours, so that both have the same number. */
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

  /** Moves the last item of a node to the next node, which must be empty. */
  moveLast(node: Node, next: Node): void {
    const last = this.count(node) - 1;
    this.#copy(node, last, next, 0, 1);
    this.#resize(next, 1);
    this.#resize(node, last);
  }

  /** Moves all items of the next node to the end of this one, and frees the next node. */
  join(node: Node, next: Node): void {
    this.#takeFirst(node, next, this.count(next));
    this.#free.push(next);
  }

  /** Moves the first items of the next node to the end of this one. */
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

  /** Moves all items of a node up by `amount` slots. */
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

  /** Sets the number of items, and marks the slots after them as unused. */
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
