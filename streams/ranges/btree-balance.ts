import type { Node } from './btree-block.js';
import type { Level } from './btree-level.js';

/**
 * Makes space in a full child of `node`: moves some of its items to a neighbour with spare room, or to a new node. `node` must not be full.
 *
 * @param level the level of `node`
 * @param slot the slot of the child in `node`
 * @param below the level of the child
 * @param atEnd whether the new entry comes after all others. Then only the last item is moved, so that nodes stay full in maps that are filled in
 * ascending order
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

/** Refills an underfull child from a neighbour, or joins the two. `node` must have at least two children. */
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

/** Moves items between a child and the next one, so that both have the same number. */
function balance(level: Level, node: Node, slot: number, below: Level): void {
  const next = level.refAt(node, slot + 1);
  below.distributeEvenly(level.refAt(node, slot), next);
  level.setStart(node, slot + 1, below.startAt(next, 0));
}
