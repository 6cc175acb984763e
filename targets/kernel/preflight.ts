import { PAGE_SHIFT, PAGE_SIZE } from '../../streams/internal.js';
import type { IovaRange } from '../../binding/iommu/iova-range.js';
import { DmaError, type DmaMapRequest, type MemoryRange } from '../../streams/index.js';
import { entryLimitHint } from './entry-limit.js';
import { misfitReasonOf } from './kernel-errors.js';
import { bytesToPin, lockedMemory, lockedMemoryHint } from './locked-memory.js';

/** Capacity of an IOMMU. */
export interface Capacity {
  readonly target: string;
  readonly request: string;
  readonly iovaRanges: readonly IovaRange[];
  /** The whole pages in these ranges ({@link wholePages}). */
  readonly windows: readonly PageWindow[];
  /** Number of available entries; `Infinity` if there is no limit. */
  entries: number;
  /** Pages that can still be pinned; `Infinity` if there is no limit, or it is unknown. */
  pages: number;
}

/**
 * Finds the first request of a change set that exceeds the capacity. Device memory is not checked, because a failure to map it is soft.
 *
 * A set that passes can still fail in the kernel. The error of the kernel then applies.
 *
 * @param isPinned whether the memory is already pinned, and is not counted again
 * @returns an error that names the request, the limit and the fix; `undefined` if all fit
 */
export function findMisfit(
  requests: readonly DmaMapRequest[],
  capacity: Capacity,
  isPinned?: (request: DmaMapRequest) => boolean,
): DmaError | undefined {
  const { windows } = capacity;
  let window = windows[0];
  let entries = 0;
  let pages = 0;
  for (const request of requests) {
    if (request.type === 'device') {
      continue;
    }
    const { range } = request;
    if (!isInside(range, window)) {
      window = windows.find((one) => isInside(range, one));
      if (window === undefined) {
        const { why, cure } = misfitReasonOf(range, capacity.iovaRanges) ?? NO_WHOLE_PAGES;
        return refusal('EINVAL', request, capacity, why, cure);
      }
    }
    entries += 1;
    if (entries > capacity.entries) {
      return refusal(
        'ENOSPC',
        request,
        capacity,
        `it is number ${entries} of a set, and ${capacity.entries} entries are left`,
        entryLimitHint(capacity.entries, requests.filter(({ type }) => type !== 'device').length),
      );
    }
    if (isPinned?.(request) === true) {
      continue;
    }
    pages += range.endPage - range.startPage;
    if (pages > capacity.pages) {
      const hint =
        lockedMemoryHint(lockedMemory(), bytesToPin(requests, isPinned)) ?? 'raise the limit of locked memory';
      return refusal('ENOMEM', request, capacity, 'the set up to it would pin more than may be locked', hint);
    }
  }
  return undefined;
}

/** An IOVA range may start or end within a page. Such a page cannot be mapped. */
const NO_WHOLE_PAGES = {
  why: 'it is not made of whole pages that the IOMMU can map',
  cure: 'leave out the pages at the borders of what the IOMMU can map',
};

/** Pages that can be mapped, as numbers, which are compared much faster than addresses. */
export interface PageWindow {
  readonly startPage: number;
  readonly endPage: number;
}

/** The whole pages in the range. */
export function wholePages({ start, last }: IovaRange): PageWindow {
  return { startPage: Number((start + PAGE_SIZE - 1n) >> PAGE_SHIFT), endPage: Number((last + 1n) >> PAGE_SHIFT) };
}

function isInside({ startPage, endPage }: MemoryRange, window: PageWindow | undefined): boolean {
  return window !== undefined && window.startPage <= startPage && endPage <= window.endPage;
}

function refusal(code: string, request: DmaMapRequest, capacity: Capacity, why: string, hint: string): DmaError {
  const { range, region } = request;
  return new DmaError(`${range.toString()} cannot be mapped: ${why}`, {
    code,
    syscall: 'ioctl',
    request: capacity.request,
    target: capacity.target,
    region,
    range,
    hint,
  });
}
