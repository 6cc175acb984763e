import type { Section } from './flat-view.js';
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

/**
 * All regions of an address space in the order in which QEMU renders them: what comes first wins. It is that of `render_memory_region` of QEMU's
 * `softmmu/memory.c`: the regions in a container come before the container, by priority; an alias is its target, seen through a window.
 *
 * One fact is not in the tree: a container without regions in it is printed as `i/o`, as registers are. A region of the kind `i/o` is taken for
 * registers if the flat view shows a part of it, else for a container.
 *
 * @param shown the sections of the flat view of the address space
 * @throws Error if an alias names no region, or one of several that differ
 */
export function rankedRegions(root: TreeNode, trees: RegionTrees, shown: readonly Section[]): RankedRegion[] {
  const ranked: RankedRegion[] = [];
  /** @param shift what is added to the addresses of the tree that `node` is in */
  const render = (node: TreeNode, shift: bigint, from: bigint, to: bigint, isAliased: boolean): void => {
    const base = node.start + shift;
    const start = base > from ? base : from;
    const end = node.end + shift < to ? node.end + shift : to;
    if (node.isDisabled || start >= end) {
      return;
    }
    if (node.alias !== undefined) {
      const target = targetOf(trees, node.alias.target);
      render(target, base - node.alias.offset - target.start, start, end, true);
      return;
    }
    for (const child of node.children.toSorted((one, other) => other.priority - one.priority)) {
      render(child, shift, start, end, isAliased);
    }
    const { name, kind } = node;
    const isContainer = kind === 'i/o' && !shown.some((one) => one.name === name && isPart(one, base, start, end));
    ranked.push({ name, kind, start, end, offset: start - base, isContainer, isAliased });
  };
  render(root, 0n, 0n, 1n << 64n, false);
  return ranked;
}

function isPart(section: Section, base: bigint, start: bigint, end: bigint): boolean {
  return section.start < end && start < section.end && section.start - section.offset === base;
}

function targetOf({ targets }: RegionTrees, name: string): TreeNode {
  const [target, another] = targets.get(name) ?? [];
  if (target === undefined || another !== undefined) {
    throw new Error(`an alias names '${name}', which is the name of ${target === undefined ? 'no region' : 'several'}`);
  }
  return target;
}
