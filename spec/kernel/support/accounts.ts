import { readFileSync } from 'node:fs';
import { DmaBatch } from '../../../binding/index.js';
import type { MemoryRange } from '../../../streams/index.js';
import type { Way } from './machine.js';

/** What the kernel has counted as locked and as pinned for this process (proc(5), VmLck and VmPin), in kB. */
export function pinnedKilobytes(): readonly [locked: number, pinned: number] {
  const status = readFileSync('/proc/self/status', 'utf8');
  const count = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return [count('VmLck'), count('VmPin')];
}

/** Unmaps each range by itself, and then everything: how many bytes the kernel says it took away each time. */
export function unmapInKernel({ container, ioas }: Way, ranges: readonly MemoryRange[]): readonly bigint[] {
  const iommu = container ?? ioas;
  const batch = new DmaBatch();
  for (const range of ranges) {
    batch.unmap(range);
  }
  batch.unmapAll();
  iommu?.run(batch);
  return Array.from({ length: batch.length }, (_, row) => batch.unmappedAt(row));
}
