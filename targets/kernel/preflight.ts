import type { IovaRange } from '../../binding/iova-range.js';
import { DmaError, type DmaMapRequest } from '../../streams/index.js';
import { misfitOf } from './explain.js';
import { lockedMemory, lockedMemoryHint } from './locked-memory.js';

/** What an IOMMU can take, by what the kernel reports now. */
export interface Budget {
  readonly target: string;
  readonly request: string;
  readonly iovaRanges: readonly IovaRange[];
  /** Entries that are left; `undefined` where there is no limit. */
  readonly entries?: number | undefined;
  /** Bytes that may be pinned still; `undefined` where there is no limit, or it cannot be known. */
  readonly pinnable: bigint | undefined;
}

/**
 * Finds the first row of a change set that cannot fit, before any of it is mapped. Memory of devices is left to the kernel: that it cannot be
 * mapped is no failure.
 *
 * What passes may fail all the same, and then the kernel's error counts.
 *
 * @throws DmaError that names the row, the rule and the cure
 */
export function preflight(requests: readonly DmaMapRequest[], budget: Budget): void {
  let entries = 0;
  let pinned = 0n;
  for (const request of requests) {
    if (request.type === 'device') {
      continue;
    }
    const { range } = request;
    const misfit = misfitOf(range, budget.iovaRanges);
    if (misfit !== undefined) {
      throw refusal('EINVAL', request, budget, misfit.why, misfit.cure);
    }
    entries += 1;
    if (budget.entries !== undefined && entries > budget.entries) {
      throw refusal(
        'ENOSPC',
        request,
        budget,
        `it is number ${entries} of a set, and ${budget.entries} entries are left`,
        'map fewer, larger ranges, or raise dma_entry_limit (as root: echo 200000 > /sys/module/vfio_iommu_type1/parameters/dma_entry_limit)',
      );
    }
    pinned += range.length;
    if (budget.pinnable !== undefined && pinned > budget.pinnable) {
      const hint = lockedMemoryHint(lockedMemory(), pinned);
      throw refusal('ENOMEM', request, budget, 'the set up to it would pin more than may be locked', hint);
    }
  }
}

function refusal(code: string, request: DmaMapRequest, budget: Budget, why: string, hint: string): DmaError {
  const { range, region } = request;
  return new DmaError(`${range.toString()} cannot be mapped: ${why}`, {
    code,
    syscall: 'ioctl',
    request: budget.request,
    target: budget.target,
    region,
    range,
    hint,
  });
}
