import { MemoryRange } from '../../streams/index.js';

/** The interface that a software IOMMU models. */
export type SoftIommuModel = 'type1v2' | 'iommufd' | 'exact';

/** Properties of a model. The errnos are those of Linux 6.12 and later. */
export interface ModelTraits {
  readonly mapRequest: string;
  readonly unmapRequest: string;
  /** Maximum number of mappings; `undefined` for no limit. */
  readonly entryLimit: number | undefined;
  /** Order of the checks of a map. If it breaks several rules, it fails with the error of the first. */
  readonly mapRules: readonly MapRule[];
  readonly overlap: 'EEXIST' | 'EINVAL';
  /** Error of an unmap that is not page aligned. */
  readonly unalignedUnmap: 'EINVAL' | 'ENOENT';
  readonly unmapShape: 'superset' | 'exact';
  /** Maps are made by host virtual address; otherwise by file, and by host virtual address only where there is no file. */
  readonly needsVa: boolean;
}

export type MapRule = 'overlap' | 'entries' | 'window';

export const MODELS: Readonly<Record<SoftIommuModel, ModelTraits>> = {
  // drivers/vfio/vfio_iommu_type1.c checks for an overlapping mapping first, then for a free entry, then the valid IOVA ranges.
  type1v2: {
    mapRequest: 'VFIO_IOMMU_MAP_DMA',
    unmapRequest: 'VFIO_IOMMU_UNMAP_DMA',
    entryLimit: 65535,
    mapRules: ['overlap', 'entries', 'window'],
    overlap: 'EEXIST',
    unalignedUnmap: 'EINVAL',
    unmapShape: 'superset',
    needsVa: true,
  },
  // drivers/iommu/iommufd/io_pagetable.c checks reserved IOVAs before existing mappings.
  iommufd: {
    mapRequest: 'IOMMU_IOAS_MAP',
    unmapRequest: 'IOMMU_IOAS_UNMAP',
    entryLimit: undefined,
    mapRules: ['window', 'overlap', 'entries'],
    overlap: 'EEXIST',
    unalignedUnmap: 'ENOENT',
    unmapShape: 'superset',
    needsVa: false,
  },
  exact: {
    mapRequest: 'map',
    unmapRequest: 'unmap',
    entryLimit: undefined,
    mapRules: ['window', 'overlap', 'entries'],
    overlap: 'EINVAL',
    unalignedUnmap: 'ENOENT',
    unmapShape: 'exact',
    needsVa: false,
  },
};

/** The I/O virtual addresses of a 48-bit IOMMU. */
export const DEFAULT_APERTURE = MemoryRange.of(0n, 1n << 48n);

/** Address range of x86 interrupt messages (Intel SDM volume 3, "Message Signalled Interrupts"; the kernel's MSI window). */
const X86_INTERRUPTS = MemoryRange.of(0xfee00000, 0xfef00000);

/**
 * The addresses that the architecture reserves in every IOMMU: the interrupt window on x86, otherwise none. On Arm the kernel chooses the
 * address range of interrupt messages; it depends on the driver.
 *
 * @param architecture a value of `process.arch`
 */
export function defaultReserved(architecture: string): readonly MemoryRange[] {
  return architecture === 'x64' || architecture === 'ia32' ? [X86_INTERRUPTS] : [];
}
