import { cutShort, notUnderstood } from './dump-error.js';
import { dumpLines } from './dump-lines.js';

/** A memory region of QEMU, as it lies in its container. Addresses are those of the tree that it was printed in. */
export interface TreeNode {
  /** Address of the first byte. */
  readonly start: bigint;
  /** Address of the byte after the last byte. */
  readonly end: bigint;
  /** Among the regions of the same container. */
  readonly priority: number;
  /** As `Section.kind`, without `nv-`; of an alias, that of its target. A container is `'i/o'` or `'container'`. */
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

const DUMP = 'info mtree';

const HEADING = /^(address-space|memory-region): (.*)$/s;
const NODE = /^( +)([0-9a-f]{16})-([0-9a-f]{16}) \(prio (-?\d+), (?:nv-)?([a-z/]+)\): (.*?)( \[disabled\])?$/s;
const ALIAS = /^alias (.*) @(.*) ([0-9a-f]{16})-[0-9a-f]{16}$/s;
/** Columns by which a region is indented in the one that contains it. */
const INDENT = 2;

interface Open extends TreeNode {
  readonly indent: number;
  readonly children: Open[];
}

/**
 * Parses what QEMU's monitor prints for `info mtree`, with `-D` or without. Every tree of it ends with an empty line: a text that ends elsewhere was
 * cut short.
 *
 * Without `-D` a disabled region is left out, but what is in it is printed, so that it looks as if it were in the region before. Where this can be
 * seen, because that region is an alias, ends before, or is not one level above, it is taken for disabled.
 *
 * @param firstLine the number of the first line, for errors. Default: 1
 * @throws DumpError with the number of a line that is not of this format, or after which more has to follow
 */
export function parseRegionTrees(text: string, firstLine = 1): RegionTrees {
  const addressSpaces = new Map<string, TreeNode>();
  const targets = new Map<string, TreeNode[]>();
  // Address spaces with the same root are printed as one: a heading for each, then the tree.
  let headings: { readonly kind: string; readonly name: string }[] = [];
  let path: Open[] = [];
  const lines = dumpLines(text, HEADING, firstLine);
  for (const { number, text: line } of lines) {
    const [, kind, name] = HEADING.exec(line) ?? [];
    if (kind !== undefined && name !== undefined) {
      headings.push({ kind, name });
      path = [];
      continue;
    }
    const node = nodeOf(line);
    if (node === undefined) {
      if (line !== '') {
        throw notUnderstood(DUMP, number, line);
      }
      headings = [];
      path = [];
      continue;
    }
    if (headings.length === 0) {
      throw notUnderstood(DUMP, number, line);
    }
    path = path.filter(({ indent }) => indent < node.indent);
    const parent = path.at(-1);
    const placed = parent !== undefined && !isIn(node, parent) ? { ...node, isDisabled: true } : node;
    parent?.children.push(placed);
    if (parent === undefined) {
      for (const heading of headings) {
        if (heading.kind === 'address-space') {
          addressSpaces.set(heading.name, placed);
        } else {
          targets.set(heading.name, [...(targets.get(heading.name) ?? []), placed]);
        }
      }
    }
    path.push(placed);
  }
  if (headings.length > 0 || addressSpaces.size === 0) {
    throw cutShort(DUMP, lines.at(-1)?.number ?? firstLine);
  }
  return { addressSpaces, targets };
}

function isIn(node: Open, parent: Open): boolean {
  return (
    parent.alias === undefined &&
    parent.indent + INDENT === node.indent &&
    node.start >= parent.start &&
    node.start <= parent.end
  );
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
