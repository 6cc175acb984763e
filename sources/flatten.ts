import { noSuchSpace } from './flat-view.js';
import { rankedRegions, type RankedRegion } from './ranked-regions.js';
import { parseRegionTrees } from './region-tree.js';
import type { Section } from './section.js';

/** What is laid out in an address space: of those at an address the first one shows. */
export type Layer = Section & Partial<Pick<RankedRegion, 'isContainer'>>;

/** What shows of layers, of which the first one wins. A container shows nothing. In ascending order. */
export function flatten(layers: readonly Layer[]): Section[] {
  const shown: Section[] = [];
  for (const layer of layers) {
    if (layer.isContainer !== true) {
      place(shown, layer);
    }
  }
  return shown;
}

/** Adds the parts of a layer where nothing shows yet. */
function place(shown: Section[], { start, end, name, kind, offset }: Layer): void {
  const first = firstEndingAfter(shown, start);
  const parts: Section[] = [];
  let at = start;
  let next = first;
  for (; at < end; next++) {
    const other = shown[next];
    const stop = other === undefined || other.start > end ? end : other.start;
    if (at < stop) {
      parts.push({ start: at, end: stop, name, kind, offset: offset + at - start });
    }
    if (other === undefined || other.start >= end) {
      break;
    }
    parts.push(other);
    at = other.end;
  }
  shown.splice(first, next - first, ...parts);
}

function firstEndingAfter(shown: readonly Section[], address: bigint): number {
  let low = 0;
  for (let high = shown.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((shown[middle]?.end ?? 0n) > address) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

/**
 * The sections of an address space by the text of `info mtree`. Two facts are not in it: whether an alias is read-only (ROM that the firmware has
 * copied to RAM then shows as RAM), and in older versions of QEMU whether a region without others in it is a container. `info mtree -f` has both.
 *
 * @param firstLine the number of the first line, for errors. Default: 1
 * @throws DumpError
 */
export function sectionsOfTrees(text: string, addressSpace: string, firstLine = 1): Section[] {
  const trees = parseRegionTrees(text, firstLine);
  const root = trees.addressSpaces.get(addressSpace);
  if (root === undefined) {
    throw noSuchSpace('info mtree', addressSpace, [...trees.addressSpaces.keys()]);
  }
  return flatten(rankedRegions(root, trees));
}
