import { MemoryRange } from '../../streams/index.js';
import { noRangeError, PAGE_SIZE } from '../../streams/internal.js';

/** Possible defects of an I/O virtual address range that is not a `MemoryRange`, with the violated rule. */
export const RANGE_RULES = {
  empty: 'a range is at least one page long',
  unaligned: `the start and the length of a range are multiples of the page size, ${PAGE_SIZE} bytes`,
  wraps: 'a range ends at 2^64 or below',
} as const;

/** The range, or its defect. */
export type CheckedIova = MemoryRange | keyof typeof RANGE_RULES;

/**
 * Checks the range of a request like a kernel checks two numbers. An untyped caller may pass an object that is not a `MemoryRange`.
 *
 * @throws TypeError if it has no `start` and `length`
 */
export function checkIova(range: unknown): CheckedIova {
  if (range instanceof MemoryRange && isIntact(range)) {
    return range;
  }
  const { start, length } = (range ?? {}) as { readonly start?: unknown; readonly length?: unknown };
  if (typeof start !== 'bigint' || typeof length !== 'bigint' || start < 0n || length < 0n) {
    throw noRangeError(range, 'the range of a request');
  }
  if (length === 0n) {
    return 'empty';
  }
  if (((start | length) & (PAGE_SIZE - 1n)) !== 0n) {
    return 'unaligned';
  }
  return start + length > 1n << 64n ? 'wraps' : MemoryRange.ofLength(start, length);
}

/** Whether a constructor made it. `instanceof` alone accepts objects that only have the prototype. */
function isIntact({ startPage, endPage }: MemoryRange): boolean {
  return (
    Number.isInteger(startPage) &&
    Number.isInteger(endPage) &&
    0 <= startPage &&
    startPage < endPage &&
    endPage <= 2 ** 52
  );
}
