import { readFileSync } from 'node:fs';

/** Addresses that a group of devices cannot use for DMA, or must have mapped to themselves. */
export interface ReservedRange {
  readonly start: bigint;
  /** The address after the last one. */
  readonly end: bigint;
  /** As the kernel names it: `'msi'`, `'reserved'`, `'direct'`, `'direct-relaxable'`. */
  readonly type: string;
}

/**
 * What sysfs shows as reserved for a group, ascending; nothing when it cannot be read.
 *
 * @param sysfs where sysfs is mounted
 */
export function reservedRanges(iommuGroup: number, sysfs = '/sys'): readonly ReservedRange[] {
  let text: string;
  try {
    text = readFileSync(`${sysfs}/kernel/iommu_groups/${iommuGroup}/reserved_regions`, 'utf8');
  } catch {
    return [];
  }
  return [...text.matchAll(/^(0x[0-9a-f]+) (0x[0-9a-f]+) (\S+)$/gim)].map(([, first = '0', last = '0', type = '']) => ({
    start: BigInt(first),
    end: BigInt(last) + 1n,
    type,
  }));
}

/**
 * What the firmware has reserved for devices of a group: RMRR of Intel, IVMD of AMD, RMR of Arm. The kernel keeps these addresses mapped to
 * themselves, and so gives no device of the group away. Ranges that it may drop (`direct-relaxable`: graphics, USB) do not count.
 */
export function firmwareRanges(iommuGroup: number, sysfs = '/sys'): readonly ReservedRange[] {
  return reservedRanges(iommuGroup, sysfs).filter(({ type }) => type === 'direct');
}

/** `'0xfee00000-0xfef00000, 0x8000000-0x8100000'` */
export function listRanges(ranges: readonly ReservedRange[]): string {
  return ranges.map(({ start, end }) => `0x${start.toString(16)}-0x${end.toString(16)}`).join(', ');
}
