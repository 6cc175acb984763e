import { MemoryRange } from '../streams/index.js';
import { PAGE_SIZE } from '../streams/internal.js';
import { isMemory } from './section-kind.js';
import type { Section } from './section.js';

/** The whole pages of a section, and where in the file of its memory region they begin. */
export interface WholePages {
  readonly range: MemoryRange;
  /** In bytes, page aligned. */
  readonly fileOffset: bigint;
}

/** No file is longer: `off_t` is signed. */
const FILE_LIMIT = 1n << 63n;

/**
 * What of a section can be mapped. `undefined` if it is no memory, if it holds no whole page, if its pages are not whole pages of its memory
 * region, or if they are beyond what a file can hold.
 */
export function wholePages({
  start,
  end,
  kind,
  offset,
}: Pick<Section, 'start' | 'end' | 'kind' | 'offset'>): WholePages | undefined {
  const range = isMemory(kind) ? MemoryRange.inside(start, end) : undefined;
  if (range === undefined) {
    return undefined;
  }
  const fileOffset = offset + range.start - start;
  return fileOffset % PAGE_SIZE !== 0n || fileOffset + range.length > FILE_LIMIT ? undefined : { range, fileOffset };
}
