import type { Level, Node } from './btree-level.js';

/**
 * Frees a slot in a full child: a roomy neighbour takes part of its items, or else a new node. Needs an empty slot in `node`.
 *
 * @param atEnd whether what is to be inserted comes after all that there is: most maps are filled in order, and then their nodes stay full
 */
export function makeSpaceInChild(level: Level, node: Node, slot: number, below: Level, atEnd: boolean): void {
  if (atEnd) {
    level.insertAt(node, slot + 1, Infinity, 0, below.add());
    const next = level.refAt(node, slot + 1);
    below.moveLast(level.refAt(node, slot), next);
    level.setStart(node, slot + 1, below.startAt(next, 0));
  } else if (slot + 1 < level.count(node) && below.hasSpareRoom(level.refAt(node, slot + 1))) {
    balance(level, node, slot, below);
  } else if (slot > 0 && below.hasSpareRoom(level.refAt(node, slot - 1))) {
    balance(level, node, slot - 1, below);
  } else {
    level.insertAt(node, slot + 1, Infinity, 0, below.add());
    balance(level, node, slot, below);
  }
}

/** Fills a scarce child up from a neighbour, or joins the two. Needs two children. */
export function refillChild(level: Level, node: Node, slot: number, below: Level): void {
  const left = slot > 0 ? slot - 1 : slot;
  const [child, next] = [level.refAt(node, left), level.refAt(node, left + 1)];
  if (below.canJoin(child, next)) {
    below.join(child, next);
    level.removeAt(node, left + 1);
  } else {
    balance(level, node, left, below);
  }
}

/** Gives this child and the next as many items each. */
function balance(level: Level, node: Node, slot: number, below: Level): void {
  const next = level.refAt(node, slot + 1);
  below.distributeEvenly(level.refAt(node, slot), next);
  level.setStart(node, slot + 1, below.startAt(next, 0));
}
