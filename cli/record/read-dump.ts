import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { flatViewOf, treeOf } from './monitor-output.js';
import { DumpError } from '../../sources/dump-error.js';
import { parseFlatViews, sectionsOfSpace } from '../../sources/flat-view.js';
import { sectionsOfTrees } from '../../sources/flatten.js';
import { parseIomem } from '../../sources/iomem.js';
import type { Section } from '../../sources/section.js';
import { TraceError, UsageError } from '../errors.js';
import { whyUnreadable } from '../trace/read-lines.js';

export const DUMP_KINDS = ['mtree', 'iomem'] as const;

export type DumpKind = (typeof DUMP_KINDS)[number];

export interface Dump {
  readonly sections: readonly Section[];
  /** What the dump does not tell. */
  readonly warning?: string;
}

/**
 * Reads a dump of a memory map. `-` is standard input.
 *
 * @throws UsageError if the file cannot be read
 * @throws TraceError if it is not such a dump, or is not whole
 */
export async function readDump(kind: DumpKind, path: string, addressSpace: string): Promise<Dump> {
  const text = await readText(path);
  try {
    return kind === 'iomem' ? { sections: parseIomem(text) } : readMtree(text, addressSpace);
  } catch (error) {
    throw error instanceof DumpError ? new TraceError(path, error.line, error.what, error.hint) : error;
  }
}

function readMtree(text: string, addressSpace: string): Dump {
  const flat = flatViewOf(text);
  if (flat !== undefined) {
    return { sections: sectionsOfSpace(parseFlatViews(flat.text, flat.firstLine), addressSpace) };
  }
  const tree = treeOf(text);
  if (tree === undefined) {
    throw new DumpError(
      'info mtree',
      undefined,
      "is no output of 'info mtree'",
      "write what QEMU's monitor prints for 'info mtree -f' to a file",
    );
  }
  return {
    sections: sectionsOfTrees(tree.text, addressSpace, tree.firstLine),
    warning: "'info mtree' does not tell which aliases are read-only: 'info mtree -f' does",
  };
}

async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await (path === '-' ? buffer(process.stdin) : readFile(path));
  } catch (error) {
    const what = path === '-' ? 'standard input' : path;
    throw new UsageError(`cannot read ${what}: ${whyUnreadable(error, 'a dump')}`, { cause: error });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new TraceError(path, undefined, 'not valid UTF-8', 'a dump is text: is this the right file?');
  }
}
