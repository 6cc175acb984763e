import { MemoryRange } from '../../streams/index.js';
import { pagesOfBytes } from '../../streams/internal.js';
import { isMemory } from '../../sources/section-kind.js';
import { messageOf, TraceError } from '../errors.js';
import { hex, type Hole, type RecordedSection, type Section, type Window } from './section.js';

const PAGE_MASK = 0xfffn;

/** No file is longer: `off_t` is signed. */
const FILE_LIMIT = 1n << 63n;

/**
 * Finds what of a section can be mapped: its whole pages. A section that is no memory, or holds no whole page, is a hole,
 * and so its offset does not count: QEMU has memory below a page at any offset (the command buffer of a TPM).
 *
 * With a priority, a section covers what is below it at every page that it takes, also in part: such a page is not memory of one section
 * alone, and cannot be mapped. A container has nothing of its own, and covers nothing.
 *
 * @throws TraceError when its addresses, or its offset, cannot be meant
 */
export function placeSection(path: string, section: RecordedSection): Section | Window | Hole {
  const { start, end, kind, offset, priority, line } = section;
  const range = wholePages(path, section);
  if (range === undefined || !isMemory(kind)) {
    return priority === undefined || kind === 'container'
      ? { ...section, range: undefined }
      : { ...section, priority, range: undefined, covers: pagesOfBytes(start, end) };
  }
  if (((start ^ offset) & PAGE_MASK) !== 0n) {
    throw new TraceError(
      path,
      line,
      `start ${hex(start)} and offset ${hex(offset)} differ modulo the page size 0x1000`,
      'a page of the guest is a whole page of the memory block: correct "start" or "offset"',
    );
  }
  const fileOffset = offset + (range.start - start);
  if (fileOffset + range.length > FILE_LIMIT) {
    throw new TraceError(
      path,
      line,
      `offset ${hex(offset)} and the length ${hex(range.length)} reach beyond 2^63`,
      'no memory block can be that long: correct "offset", "start" or "end"',
    );
  }
  return { ...section, range, fileOffset, covers: priority === undefined ? range : pagesOfBytes(start, end) };
}

function wholePages(path: string, { start, end, line }: RecordedSection): MemoryRange | undefined {
  const refuse = (
    what: string,
    remedy = '"start" and "end" must be in [0, 2^64], and "end" above "start"',
  ): TraceError => new TraceError(path, line, what, remedy);
  let range: MemoryRange | undefined;
  try {
    range = MemoryRange.inside(start, end);
  } catch (error) {
    throw refuse(messageOf(error));
  }
  if (start === end) {
    throw refuse(`range ${hex(start)}-${hex(end)} is empty`);
  }
  if ((end & PAGE_MASK) === PAGE_MASK) {
    throw refuse(
      `"end" is ${hex(end)}, which is the last address of a page`,
      `"end" is exclusive, the address after the last: if ${hex(end)} is the last one, write "${hex(end + 1n)}"`,
    );
  }
  return range;
}
