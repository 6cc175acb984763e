import { MemoryRange } from '../../streams/index.js';

/** Whose manners a software IOMMU has. */
export type SoftIommuModel = 'type1v2' | 'iommufd' | 'exact';

/** How each model differs. The errnos are those of Linux 6.12 and later. */
export interface ModelTraits {
  readonly mapRequest: string;
  readonly unmapRequest: string;
  /** Mappings that it can hold; `undefined` for no limit. */
  readonly entryLimit: number | undefined;
  /** Of two rules that a map breaks, the first of these is the one that it fails with. */
  readonly mapRules: readonly MapRule[];
  readonly overlap: 'EEXIST' | 'EINVAL';
  /** An unmap that is not page aligned. */
  readonly unalignedUnmap: 'EINVAL' | 'ENOENT';
  readonly unmapShape: 'superset' | 'exact';
}

export type MapRule = 'overlap' | 'entries' | 'window';

export const MODELS: Readonly<Record<SoftIommuModel, ModelTraits>> = {
  // drivers/vfio/vfio_iommu_type1.c: an existing mapping is looked for first, then an entry, then the valid IOVA ranges.
  type1v2: {
    mapRequest: 'VFIO_IOMMU_MAP_DMA',
    unmapRequest: 'VFIO_IOMMU_UNMAP_DMA',
    entryLimit: 65535,
    mapRules: ['overlap', 'entries', 'window'],
    overlap: 'EEXIST',
    unalignedUnmap: 'EINVAL',
    unmapShape: 'superset',
  },
  // drivers/iommu/iommufd/io_pagetable.c: reserved IOVAs are looked at before existing mappings.
  iommufd: {
    mapRequest: 'IOMMU_IOAS_MAP',
    unmapRequest: 'IOMMU_IOAS_UNMAP',
    entryLimit: undefined,
    mapRules: ['window', 'overlap', 'entries'],
    overlap: 'EEXIST',
    unalignedUnmap: 'ENOENT',
    unmapShape: 'superset',
  },
  exact: {
    mapRequest: 'map',
    unmapRequest: 'unmap',
    entryLimit: undefined,
    mapRules: ['window', 'overlap', 'entries'],
    overlap: 'EINVAL',
    unalignedUnmap: 'ENOENT',
    unmapShape: 'exact',
  },
};

/** The I/O virtual addresses that an IOMMU of 48 bits translates. */
export const DEFAULT_APERTURE = MemoryRange.of(0n, 1n << 48n);

/** Where x86 devices write their interrupts (Intel SDM volume 3, "Message Signalled Interrupts"; the kernel's MSI window). */
const X86_INTERRUPTS = MemoryRange.of(0xfee00000, 0xfef00000);

/**
 * The addresses that the architecture itself keeps from every IOMMU: the interrupt window of x86, nothing elsewhere. On Arm the kernel
 * chooses where devices write their interrupts, differently from driver to driver.
 *
 * @param architecture as `process.arch` names it
 */
export function defaultReserved(architecture: string): readonly MemoryRange[] {
  return architecture === 'x64' || architecture === 'ia32' ? [X86_INTERRUPTS] : [];
}
