import { readFileSync } from 'node:fs';

const PARAMETER = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit';
/** The kernel's default: `U16_MAX` in `vfio_iommu_type1.c`. */
const DEFAULT_LIMIT = 65_535;
/** Sufficient for most uses, with low memory usage. */
const GENEROUS_LIMIT = 200_000;

/** Hint for a type1 container with `left` available entries for `needed` maps. */
export function entryLimitHint(left: number, needed: number): string {
  const limit = Math.max(GENEROUS_LIMIT, currentLimit() - left + needed);
  return (
    `${left} entries are left and ${needed} needed: map fewer, larger ranges, give mappings a larger granule, or raise dma_entry_limit ` +
    `(as root: echo ${limit} > ${PARAMETER}, before the container is opened)`
  );
}

function currentLimit(): number {
  try {
    return Number(readFileSync(PARAMETER, 'utf8')) || DEFAULT_LIMIT;
  } catch {
    return DEFAULT_LIMIT;
  }
}
