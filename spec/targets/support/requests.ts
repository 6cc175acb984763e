import { expect } from 'chai';
import { DmaError, MemoryRange } from '../../../streams/index.js';
import type { DmaMapRequest, HostVa, Mappable } from '../../../streams/index.js';
import type { SoftIommuModel, SoftIommuTarget } from '../../../targets/index.js';

export const PAGE = 0x1000;

/** What each model of a kernel interface calls its requests. */
export const KERNEL_MODELS = [
  { model: 'type1v2', map: 'VFIO_IOMMU_MAP_DMA', unmap: 'VFIO_IOMMU_UNMAP_DMA' },
  { model: 'iommufd', map: 'IOMMU_IOAS_MAP', unmap: 'IOMMU_IOAS_UNMAP' },
] as const;

export const ALL_MODELS: readonly SoftIommuModel[] = ['type1v2', 'iommufd', 'exact'];

export function range(start: number | bigint, end: number | bigint): MemoryRange {
  return MemoryRange.of(start, end);
}

export interface RequestOptions {
  readonly region?: string;
  readonly type?: 'ram' | 'device';
  readonly writable?: boolean;
  readonly mappable?: Mappable;
  readonly fileOffset?: bigint;
  readonly hostVa?: HostVa;
}

/** A map request, writable RAM but for what is given. Without a mappable and a VA there is nothing behind it. */
export function request(of: MemoryRange, options: RequestOptions = {}): DmaMapRequest {
  return { range: of, region: 'ram', type: 'ram', writable: true, fileOffset: 0n, ...options };
}

/** A map request over the bytes from `start` to `end`. */
export function requestOf(start: number | bigint, end: number | bigint, options: RequestOptions = {}): DmaMapRequest {
  return request(range(start, end), options);
}

/** Two numbers in the shape of a range, as a caller without types may put them together: no `MemoryRange` can be wrong like this. */
export function handMade(start: bigint, length: bigint): MemoryRange {
  return { start, length, end: start + length } as unknown as MemoryRange;
}

/** Maps page-granular ranges, each given by its first and its last address. */
export function mapAll(target: SoftIommuTarget, ranges: readonly (readonly [number, number])[]): void {
  for (const [start, end] of ranges) {
    target.mapDma(requestOf(start, end));
  }
}

/** What the target holds, as text: `'0x0-0x4000'`. */
export function heldBy(target: SoftIommuTarget): string[] {
  return target.mappedRanges().map(String);
}

/** The kernel's numbers (`asm-generic/errno-base.h`, `asm-generic/errno.h`). */
const ERRNO = {
  ENOENT: 2,
  EIO: 5,
  ENOMEM: 12,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
} as const;

/** The `DmaError` that `work` throws, which must have this code and the kernel's number for it, and say what to do. */
export function refusal(work: () => unknown, code: keyof typeof ERRNO): DmaError {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    expect(error).to.include({ code, errno: -ERRNO[code], syscall: 'ioctl' });
    expect((error as DmaError).hint, 'hint')
      .to.be.a('string')
      .and.not.equal('');
    return error as DmaError;
  }
  throw new Error(`nothing was thrown, ${code} was expected`);
}
