import { readFileSync } from 'node:fs';

/** Addresses that an IOMMU group cannot use for DMA, or that must be identity-mapped for it. */
export interface ReservedRange {
  readonly start: bigint;
  /** Exclusive. */
  readonly end: bigint;
  /** Type in the kernel: `'msi'`, `'reserved'`, `'direct'`, `'direct-relaxable'`. */
  readonly type: string;
}

/**
 * The reserved ranges of a group from sysfs, ascending; empty if they cannot be read.
 *
 * @param sysfs mount point of sysfs
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
 * The ranges that the firmware has reserved for devices of a group: RMRR on Intel, IVMD on AMD, RMR on Arm. The kernel keeps them
 * identity-mapped, so no device of the group can be assigned. Ranges that it may remove (`direct-relaxable`: graphics, USB) are not
 * included.
 */
export function firmwareRanges(iommuGroup: number, sysfs = '/sys'): readonly ReservedRange[] {
  return reservedRanges(iommuGroup, sysfs).filter(({ type }) => type === 'direct');
}

/** `'0xfee00000-0xfef00000, 0x8000000-0x8100000'` */
export function listRanges(ranges: readonly ReservedRange[]): string {
  return ranges.map(({ start, end }) => `0x${start.toString(16)}-0x${end.toString(16)}`).join(', ');
}
