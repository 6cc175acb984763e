/**
 * Items that a node holds at most: a multiple of `RUN`. Narrower nodes (32) change a tenth faster and take a tenth more
 * memory, wider ones (64) the other way round.
 */
const WIDTH = 48;

/** Slots that a search takes together; near the square root of the width, where it takes the fewest steps. */
const RUN = 8;

/** A node with no more items than this is filled up from a neighbour, or joined with it, before one is taken out. */
const SCARCE = WIDTH / 4;

/** Neighbours that hold no more than this together are joined; a node that holds no more takes the surplus of a full one. */
const ROOMY = (WIDTH * 5) / 6;

/** What a search finds in an empty slot: greater than any page number. */
const NOTHING = Infinity;

const NO_STARTS: readonly number[] = Array.from({ length: WIDTH }, () => NOTHING);
const NO_ITEMS: readonly undefined[] = Array.from({ length: WIDTH }, () => undefined);

/**
 * Who may change a node: the map that holds the same token. Any other map that reaches the node copies it first. A node
 * that a map owns is reached through nodes that it owns as well, so the token of a leaf speaks for the whole path to it.
 */
export type Owner = object;

/** A leaf holds entries of a map, a branch holds nodes. */
export type Node<V> = Leaf<V> | Branch<V>;

/**
 * Items in ascending order, each with a page number. The numbers stand in an array of their own, so that a search touches
 * no item; an array that starts with `Infinity` in it keeps its numbers unboxed, at 8 bytes each.
 */
abstract class SortedSlots<Item> {
  readonly owner: Owner;
  count: number;
  /** Ascending; `Infinity` from `count` on. Grows from one run to the full width, as does `items`. */
  starts: number[];
  /** `undefined` from `count` on. */
  items: (Item | undefined)[];

  /** Empty, or a copy. */
  constructor(owner: Owner, from?: SortedSlots<Item>) {
    this.owner = owner;
    this.count = from === undefined ? 0 : from.count;
    this.starts = from === undefined ? NO_STARTS.slice(0, RUN) : from.starts.slice();
    this.items = from === undefined ? NO_ITEMS.slice(0, RUN) : from.items.slice();
  }

  get isFull(): boolean {
    return this.count === WIDTH;
  }

  get isScarce(): boolean {
    return this.count <= SCARCE;
  }

  get isRoomy(): boolean {
    return this.count <= ROOMY;
  }

  /** The number in a slot; `Infinity` in an empty one. */
  startAt(slot: number): number {
    return this.starts[slot] ?? NOTHING;
  }

  /**
   * The last slot whose number is at most `start`; -1 when there is none.
   *
   * Counts: first the runs of slots that come before `start`, then the slots in the run after them. The comparisons do not
   * wait for one another and nothing branches on them, so this takes a third of the time of a binary search, of whose
   * branches every other is mispredicted.
   */
  slotOf(start: number): number {
    const { starts } = this;
    let run = 0;
    for (let slot = RUN; slot < starts.length; slot += RUN) {
      run += Number((starts[slot] ?? NOTHING) <= start) * RUN;
    }
    let found = run - 1;
    for (let slot = run; slot < run + RUN; slot++) {
      found += Number((starts[slot] ?? NOTHING) <= start);
    }
    return found;
  }

  /** Needs an empty slot: not for a full node. */
  insertAt(slot: number, start: number, item: Item): void {
    this.#reserve(this.count + 1);
    const { starts, items } = this;
    for (let index = this.count; index > slot; index--) {
      starts[index] = starts[index - 1] ?? NOTHING;
      items[index] = items[index - 1];
    }
    starts[slot] = start;
    items[slot] = item;
    this.count++;
  }

  removeAt(slot: number): void {
    const { starts, items } = this;
    const last = --this.count;
    for (let index = slot; index < last; index++) {
      starts[index] = starts[index + 1] ?? NOTHING;
      items[index] = items[index + 1];
    }
    starts[last] = NOTHING;
    items[last] = undefined;
  }

  /** Moves the last `amount` items to the front of the next node. */
  giveLast(amount: number, next: SortedSlots<Item>): void {
    const kept = this.count - amount;
    next.#reserve(next.count + amount);
    next.starts.copyWithin(amount, 0, next.count);
    next.items.copyWithin(amount, 0, next.count);
    next.#put(0, this, kept, amount);
    next.count += amount;
    this.#cut(kept);
  }

  /** Moves the first `amount` items of the next node to the end of this one. */
  takeFirst(amount: number, next: SortedSlots<Item>): void {
    this.#reserve(this.count + amount);
    this.#put(this.count, next, 0, amount);
    this.count += amount;
    next.starts.copyWithin(0, amount, next.count);
    next.items.copyWithin(0, amount, next.count);
    next.#cut(next.count - amount);
  }

  #reserve(count: number): void {
    let length = this.starts.length;
    if (count <= length) {
      return;
    }
    // Past the full width the slices below end there.
    while (length < count) {
      length *= 2;
    }
    this.starts = this.starts.concat(NO_STARTS.slice(this.starts.length, length));
    this.items = this.items.concat(NO_ITEMS.slice(this.items.length, length));
  }

  #put(slot: number, from: SortedSlots<Item>, first: number, amount: number): void {
    for (let index = 0; index < amount; index++) {
      this.starts[slot + index] = from.startAt(first + index);
      this.items[slot + index] = from.items[first + index];
    }
  }

  #cut(count: number): void {
    this.starts.fill(NOTHING, count, this.count);
    this.items.fill(undefined, count, this.count);
    this.count = count;
  }
}

export class Leaf<V> extends SortedSlots<V> {
  readonly isLeaf = true;

  /** This leaf where `owner` may change it, else a copy. */
  ownedBy(owner: Owner): Leaf<V> {
    return this.owner === owner ? this : new Leaf(owner, this);
  }
}

/**
 * The page number of a child is a lower bound: nothing below the child is lower, and everything below the child before it
 * is. The first child's is the one that the branch above has for this branch, and 0 at the left edge of the tree.
 */
export class Branch<V> extends SortedSlots<Node<V>> {
  readonly isLeaf = false;

  /** This branch where `owner` may change it, else a copy, which shares its children. */
  ownedBy(owner: Owner): Branch<V> {
    return this.owner === owner ? this : new Branch(owner, this);
  }

  child(slot: number): Node<V> {
    const child = this.items[slot];
    if (child === undefined) {
      throw new Error(`range map is damaged: child ${slot} of ${this.count} is not there`);
    }
    return child;
  }

  /** The child in this slot, after it was replaced by a copy unless the owner of this branch owns it too. */
  ownedChild(slot: number): Node<V> {
    const child = this.child(slot).ownedBy(this.owner);
    this.items[slot] = child;
    return child;
  }

  /** Frees a slot in a full child: a roomy neighbour takes part of its items, or else a new node. Needs an empty slot. */
  relieve(slot: number): void {
    if (slot + 1 < this.count && this.child(slot + 1).isRoomy) {
      this.#level(slot);
    } else if (slot > 0 && this.child(slot - 1).isRoomy) {
      this.#level(slot - 1);
    } else {
      const next = this.child(slot).isLeaf ? new Leaf<V>(this.owner) : new Branch<V>(this.owner);
      this.insertAt(slot + 1, NOTHING, next);
      this.#level(slot);
    }
  }

  /** Fills a scarce child up from a neighbour, or joins the two. Needs two children. */
  replenish(slot: number): void {
    const first = slot > 0 ? slot - 1 : slot;
    const amount = this.child(first + 1).count;
    if (this.child(first).count + amount > ROOMY) {
      this.#level(first);
      return;
    }
    const left: SortedSlots<unknown> = this.ownedChild(first);
    left.takeFirst(amount, this.ownedChild(first + 1));
    this.removeAt(first + 1);
  }

  /** Gives this child and the next as many items each. */
  #level(slot: number): void {
    const left: SortedSlots<unknown> = this.ownedChild(slot);
    const right: SortedSlots<unknown> = this.ownedChild(slot + 1);
    const half = (left.count + right.count) >> 1;
    if (left.count > half) {
      left.giveLast(left.count - half, right);
    } else {
      left.takeFirst(half - left.count, right);
    }
    this.starts[slot + 1] = right.startAt(0);
  }
}
