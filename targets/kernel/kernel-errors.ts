import { fstatSync } from 'node:fs';
import { systemError } from '../../binding/errors.js';
import type { IovaRange } from '../../binding/iommu/iova-range.js';
import { shortageOf } from '../../binding/memory/shortage.js';
import { DmaError, DmaUnmapError, type DmaMapRequest, type MemoryRange } from '../../streams/index.js';
import { ERRNO } from '../../streams/internal.js';
import { entryLimitHint } from './entry-limit.js';
import { bytesToPin, lockedMemory, lockedMemoryHint } from './locked-memory.js';

const { EADDRINUSE, EEXIST, EFAULT, EINVAL, ENOMEM, ENOSPC } = ERRNO;

/** The target whose call the kernel rejected, and the queries that find the cause. */
export interface ErrorContext {
  readonly target: string;
  /** Name of the `ioctl` request that makes this map. */
  mapRequest(request: DmaMapRequest): string;
  readonly unmapRequest: string;
  /** For whom memory is mapped, for messages. Default: `'devices'`. */
  readonly mappedFor?: string;
  /** The hint for a failed map. Default: that of an IOMMU. */
  mapHint?(errno: number, request: DmaMapRequest): string;
  /** The ranges that can be mapped, as reported by the kernel. */
  iovaRanges(): readonly IovaRange[];
  /** A mapping of this target that overlaps. */
  inTheWay?(range: MemoryRange): MemoryRange | undefined;
  /** Number of available entries; `undefined` if there is no limit. */
  entriesLeft?(): number | undefined;
}

/**
 * The error of a map that the kernel rejected, with a hint.
 *
 * @param rest the failed map and the maps after it in the same set
 */
export function mapError(
  errno: number,
  request: DmaMapRequest,
  where: ErrorContext,
  rest: readonly DmaMapRequest[] = [request],
): DmaError {
  const { range, region } = request;
  const error = systemError(errno, {
    what: `cannot map ${range.toString()} for ${where.mappedFor ?? 'devices'}`,
    syscall: 'ioctl',
    request: where.mapRequest(request),
    range,
    region,
    hint: where.mapHint?.(errno, request) ?? mapHint(errno, request, where, rest),
  });
  return named(error, where.target);
}

/** The error of an unmap that the kernel rejected. */
export function unmapError(errno: number, range: MemoryRange, where: ErrorContext): DmaError {
  const error = systemError(errno, {
    what: `cannot unmap ${range.toString()} for ${where.mappedFor ?? 'devices'}`,
    syscall: 'ioctl',
    request: where.unmapRequest,
    range,
    hint: 'an unmap must cover whole mappings, as they were mapped; the memory is kept until it succeeds',
  });
  return named(error, where.target);
}

/** The error of an unmap that left some of its mappings. */
export function stuckError(cause: DmaError, range: MemoryRange, stuck: readonly MemoryRange[]): DmaUnmapError {
  const { message, code, syscall, request, target = '', hint } = cause;
  return new DmaUnmapError(
    message,
    { code, errno: cause.errno, syscall, request, target, range, hint, cause },
    { stuck: stuck.map((one) => ({ target, range: one })) },
  );
}

/** The error of a map without a host virtual address, at a target that needs one. */
export function noVaError({ range, region }: DmaMapRequest, target: string): DmaError {
  return new DmaError(`${range.toString()} has no host virtual address to map by`, {
    code: 'ERR_NO_VA',
    target,
    region,
    range,
    hint: 'attach the target to a RegionManager with a VA mapper (new RamBlocks()), or put ensureMapped(vaMapper) before it',
  });
}

/** Why the IOMMU cannot map a range, and how to fix it. */
export interface MisfitReason {
  readonly why: string;
  readonly cure: string;
}

/** Why the range is outside the ranges that can be mapped (`valid`, ascending); `undefined` if it is inside. */
export function misfitReasonOf(range: MemoryRange, valid: readonly IovaRange[]): MisfitReason | undefined {
  const last = range.end - 1n;
  if (valid.some((one) => one.start <= range.start && last <= one.last)) {
    return undefined;
  }
  const list = valid.map((one) => `0x${one.start.toString(16)}-0x${(one.last + 1n).toString(16)}`).join(', ');
  const can = `the IOMMU can map ${list === '' ? 'nothing' : list}`;
  const highest = valid.at(-1)?.last ?? -1n;
  if (last > highest) {
    return {
      why: `it reaches above the aperture 0x${(highest + 1n).toString(16)}: ${can}`,
      cure: `put the memory below 0x${(highest + 1n).toString(16)}: the IOMMU or the device has no more address bits`,
    };
  }
  return {
    why: `it reaches into a reserved window: ${can}`,
    cure: 'leave a hole in the guest memory map there (0xfee00000-0xfef00000 takes interrupts on x86)',
  };
}

/** Hint for a map that the kernel has refused. */
function mapHint(errno: number, request: DmaMapRequest, where: ErrorContext, rest: readonly DmaMapRequest[]): string {
  const { range, type, writable } = request;
  const ioctl = where.mapRequest(request);
  switch (errno) {
    case ENOMEM:
      return (
        lockedMemoryHint(lockedMemory(), bytesToPin(rest)) ??
        shortageHint(request) ??
        'the host is short of memory, or of free huge pages (no limit of locked memory counts for this process): see free -m, HugePages_Free in /proc/meminfo, and memory.max of its cgroup'
      );
    case ENOSPC:
      return ioctl === 'VFIO_IOMMU_MAP_DMA'
        ? entryLimitHint(where.entriesLeft?.() ?? 0, rest.length)
        : (shortageHint(request) ??
            'the file system behind the memory is full: df shows it; make it larger with mount -o remount,size=SIZE, or docker run --shm-size=SIZE for the /dev/shm of a container');
    case EINVAL: {
      let valid: readonly IovaRange[];
      try {
        valid = where.iovaRanges();
      } catch (error) {
        // The query and the map fail for the same reason: the container has no group.
        return (error as Partial<DmaError>).hint ?? 'the kernel found an argument invalid';
      }
      const misfit = misfitReasonOf(range, valid);
      if (misfit !== undefined) {
        return `${misfit.why}; ${misfit.cure}`;
      }
      return ioctl === 'IOMMU_IOAS_MAP_FILE'
        ? 'is the file as long as the mapping, and on memory (memfd, tmpfs, huge pages)? A file on a disk can be mapped by address alone, and read-only'
        : 'the kernel found an argument invalid: is a device attached (container.addGroup, device.attach) before the first map?';
    }
    case EEXIST: {
      const inTheWay = where.inTheWay?.(range);
      return inTheWay === undefined
        ? 'something is mapped there already: unmap it first; when this target did not map it, another user of the same container or IOAS did'
        : `${inTheWay.toString()} is mapped there: unmap it first`;
    }
    case EFAULT: {
      if (type === 'device') {
        return 'iommufd cannot map the BAR of a device by address; VFIO type1 can, for peer-to-peer DMA';
      }
      const shortage = shortageHint(request);
      if (shortage !== undefined) {
        return shortage;
      }
      return writable
        ? 'a page is not backed, or not for writing: is the file as long as the mapping, and on memory (memfd, tmpfs, huge pages) rather than on a disk?'
        : 'a page is not backed: is the file as long as the mapping?';
    }
    case EADDRINUSE:
      return 'a device that is attached needs these addresses for itself: leave a hole in the guest memory map there (0xfee00000-0xfef00000 takes interrupts on x86)';
    default:
      return `see the error table in docs/kernel.md for ${ioctl}`;
  }
}

/** The exhausted resource if a page of the file cannot be allocated; `undefined` if there is none, or the file is too short. */
function shortageHint({ range, mappable, fileOffset }: DmaMapRequest): string | undefined {
  if (mappable === undefined) {
    return undefined;
  }
  try {
    const { fd } = mappable;
    const isWhole = fstatSync(fd, { bigint: true }).size >= fileOffset + range.length;
    const shortage = isWhole ? shortageOf(fd) : undefined;
    return shortage === undefined ? undefined : `${shortage.because}. ${shortage.hint}`;
  } catch {
    return undefined; // The file is closed.
  }
}

/** Adds the name of the target to an error of the binding, which does not know it. */
function named(error: DmaError, target: string): DmaError {
  Object.defineProperty(error, 'target', { value: target, enumerable: true });
  return error;
}
