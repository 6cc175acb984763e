import type { MemoryRange } from '../ranges/memory-range.js';
import type { TargetCalls } from './target-calls.js';

/** Limits of one batch: calls, and pages (256 MiB). An abort takes effect between two batches. */
const BATCH_CALLS_MAX = 4096;
const BATCH_PAGES_MAX = 1 << 16;

/** The number of items, from index `from` on, that one batch of a target takes. */
export function batchLength(
  { slowForLargeMaps }: Pick<TargetCalls, 'slowForLargeMaps'>,
  items: readonly { readonly range: MemoryRange }[],
  from: number,
): number {
  if (!slowForLargeMaps) {
    return Math.min(BATCH_CALLS_MAX, items.length - from);
  }
  let pages = 0;
  let count = 0;
  while (count < BATCH_CALLS_MAX && from + count < items.length) {
    const { startPage, endPage } = (items[from + count] as (typeof items)[number]).range;
    pages += endPage - startPage;
    if (count > 0 && pages > BATCH_PAGES_MAX) {
      break;
    }
    count += 1;
  }
  return count;
}
