import { DumpError } from './dump-error.js';
import type { RegionTrees, TreeNode } from './region-tree.js';

/** A region of the tree as an address space shows it: aliases are resolved, and it ends where its containers end. */
export interface RankedRegion {
  /** Name of the region that an alias stands for, as in the flat view. */
  readonly name: string;
  readonly kind: string;
  readonly start: bigint;
  readonly end: bigint;
  /** Offset of `start` in the region. */
  readonly offset: bigint;
  /** Whether it has no bytes of its own: it shows only what is in it. */
  readonly isContainer: boolean;
  /** Whether it was reached through an alias, which may be read-only. */
  readonly isAliased: boolean;
}

/** Whether a region has no bytes of its own. @param base the address of its first byte; `start` and `end`: what shows of it at most */
export type IsContainer = (node: TreeNode, base: bigint, start: bigint, end: bigint) => boolean;

/** A region of the kind `i/o` with regions in it is taken for a container, and any other for registers. */
export const isContainerByTree: IsContainer = ({ kind, children }) =>
  kind === 'container' || (kind === 'i/o' && children.length > 0);

/** More than any machine has. A dump with more has aliases of aliases that multiply. */
const MOST_REGIONS = 100_000;
/** Regions in one another, aliases included. */
const DEEPEST = 200;

/**
 * All regions of an address space in the order in which QEMU renders them: what comes first wins. It is that of `render_memory_region` of QEMU's
 * `softmmu/memory.c`: the regions in a container come before the container, by priority; an alias is its target, seen through a window.
 *
 * One fact is not in the tree: before QEMU had the kind `container`, a container was printed as `i/o`, as registers are. `isContainer` decides.
 *
 * @throws DumpError if an alias names no region, one of several that differ, or one that it is in itself; or if there are more than 100,000
 */
export function rankedRegions(
  root: TreeNode,
  trees: RegionTrees,
  isContainer: IsContainer = isContainerByTree,
): RankedRegion[] {
  const ranked: RankedRegion[] = [];
  /** @param shift what is added to the addresses of the tree that `node` is in */
  const render = (node: TreeNode, shift: bigint, from: bigint, to: bigint, isAliased: boolean, depth: number): void => {
    const base = node.start + shift;
    const start = base > from ? base : from;
    const end = node.end + shift < to ? node.end + shift : to;
    if (node.isDisabled || start >= end) {
      return;
    }
    if (depth > DEEPEST || ranked.length >= MOST_REGIONS) {
      throw unusable('has aliases that contain one another, or too many of them');
    }
    if (node.alias !== undefined) {
      const target = targetOf(trees, node.alias.target);
      render(target, base - node.alias.offset - target.start, start, end, true, depth + 1);
      return;
    }
    for (const child of node.children.toSorted((one, other) => other.priority - one.priority)) {
      render(child, shift, start, end, isAliased, depth + 1);
    }
    const { name, kind } = node;
    ranked.push({
      ...{ name, kind, start, end, offset: start - base },
      isContainer: isContainer(node, base, start, end),
      isAliased,
    });
  };
  render(root, 0n, 0n, 1n << 64n, false, 0);
  return ranked;
}

function unusable(what: string): DumpError {
  return new DumpError('info mtree', undefined, what, "dump 'info mtree -f' instead, which QEMU has resolved itself");
}

function targetOf({ targets }: RegionTrees, name: string): TreeNode {
  const [target, another] = targets.get(name) ?? [];
  if (target === undefined || another !== undefined) {
    throw unusable(
      `has an alias of ${JSON.stringify(name)}, which is the name of ${target === undefined ? 'no region' : 'several regions'}`,
    );
  }
  return target;
}
