import { MemoryRange } from '../../streams/index.js';
import { PAGE_SIZE } from '../../streams/internal.js';
import { noRangeError } from '../call-checks.js';

/** What can be wrong with an I/O virtual address range that did not come as a `MemoryRange`, and the rule that it breaks. */
export const RANGE_RULES = {
  empty: 'a range is at least one page long',
  unaligned: `the start and the length of a range are multiples of the page size, ${PAGE_SIZE} bytes`,
  wraps: 'a range ends at 2^64 or below',
} as const;

/** The range, or what is wrong with it. */
export type CheckedIova = MemoryRange | keyof typeof RANGE_RULES;

/**
 * Looks at the range of a request as a kernel looks at two numbers: a caller without types may have put them together by hand.
 *
 * @throws TypeError when it has no `start` and `length` at all
 */
export function checkIova(range: unknown): CheckedIova {
  if (range instanceof MemoryRange && isIntact(range)) {
    return range;
  }
  const { start, length } = (range ?? {}) as { readonly start?: unknown; readonly length?: unknown };
  if (typeof start !== 'bigint' || typeof length !== 'bigint' || start < 0n || length < 0n) {
    throw noRangeError();
  }
  if (length === 0n) {
    return 'empty';
  }
  if (((start | length) & (PAGE_SIZE - 1n)) !== 0n) {
    return 'unaligned';
  }
  return start + length > 1n << 64n ? 'wraps' : MemoryRange.ofLength(start, length);
}

/** Whether a constructor made it: its class alone can be borrowed. */
function isIntact({ startPage, endPage }: MemoryRange): boolean {
  return (
    Number.isInteger(startPage) &&
    Number.isInteger(endPage) &&
    0 <= startPage &&
    startPage < endPage &&
    endPage <= 2 ** 52
  );
}
