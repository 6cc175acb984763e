/** A memory region of QEMU, as it lies in its container. Addresses are those of the tree that it was printed in. */
export interface TreeNode {
  /** Address of the first byte. */
  readonly start: bigint;
  /** Address of the byte after the last byte. */
  readonly end: bigint;
  /** Among the regions of the same container. */
  readonly priority: number;
  /** As `Section.kind`; of an alias, that of its target. A container is `'i/o'`. */
  readonly kind: string;
  readonly name: string;
  readonly isDisabled: boolean;
  /** The window of another region that shows here. */
  readonly alias?: { readonly target: string; readonly offset: bigint };
  readonly children: readonly TreeNode[];
}

export interface RegionTrees {
  /** The root of each address space, by the name of the address space. */
  readonly addressSpaces: ReadonlyMap<string, TreeNode>;
  /** The regions that aliases name. Two regions may have the same name. */
  readonly targets: ReadonlyMap<string, readonly TreeNode[]>;
}

const HEADING = /^(address-space|memory-region): (.*)$/;
const NODE = /^( +)([0-9a-f]{16})-([0-9a-f]{16}) \(prio (-?\d+), (?:nv-)?([a-z/]+)\): (.*?)( \[disabled\])?$/;
const ALIAS = /^alias (.*) @(.*) ([0-9a-f]{16})-[0-9a-f]{16}$/;

interface Open extends TreeNode {
  readonly indent: number;
  readonly children: Open[];
}

/**
 * Parses what QEMU's monitor prints for `info mtree -D`. (Without `-D` a disabled region is left out, but what is in it is printed, so that it looks
 * as if it were in the region before.)
 *
 * @throws Error with the number of a line that is not of this format
 */
export function parseRegionTrees(text: string): RegionTrees {
  const addressSpaces = new Map<string, TreeNode>();
  const targets = new Map<string, TreeNode[]>();
  // Address spaces with the same root are printed as one: a heading for each, then the tree.
  let headings: { readonly kind: string; readonly name: string }[] = [];
  let path: Open[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, kind, name] = HEADING.exec(line) ?? [];
    if (kind !== undefined && name !== undefined) {
      headings.push({ kind, name });
      path = [];
      continue;
    }
    const node = nodeOf(line);
    if (node === undefined) {
      if (line !== '') {
        throw new Error(`line ${index + 1} of 'info mtree' is not understood: '${line}'`);
      }
      headings = [];
      continue;
    }
    path = path.filter(({ indent }) => indent < node.indent);
    path.at(-1)?.children.push(node);
    if (path.length === 0) {
      for (const heading of headings) {
        if (heading.kind === 'address-space') {
          addressSpaces.set(heading.name, node);
        } else {
          targets.set(heading.name, [...(targets.get(heading.name) ?? []), node]);
        }
      }
    }
    path.push(node);
  }
  return { addressSpaces, targets };
}

function nodeOf(line: string): Open | undefined {
  const [, indent = '', first, last, priority, kind, what = '', disabled] = NODE.exec(line) ?? [];
  if (kind === undefined) {
    return undefined;
  }
  const [, name = what, target, offset] = ALIAS.exec(what) ?? [];
  return {
    indent: indent.length,
    start: BigInt(`0x${first}`),
    end: BigInt(`0x${last}`) + 1n,
    priority: Number(priority),
    kind,
    name,
    isDisabled: disabled !== undefined,
    ...(target === undefined ? {} : { alias: { target, offset: BigInt(`0x${offset}`) } }),
    children: [],
  };
}
