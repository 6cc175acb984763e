import { ERRNO, PAGE_SIZE } from '../../streams/internal.js';
import { fstatSync } from 'node:fs';
import type { DmaError, MapChange, Mappable, MemoryRange } from '../../streams/index.js';
import { formatBytes, systemError } from '../errors.js';
import { FEWER_AREAS } from './memory-areas.js';
import type { HeldMapping } from './held-mappings.js';
import { hugePageSizeOf, shortageOf, type Shortage } from './shortage.js';

/** Error objects of guest memory. Each function takes the negative errno of a native call. */

const { EPERM, ENOMEM, EACCES, EFAULT, EBUSY, EEXIST, ENODEV, EINVAL, E2BIG, EOVERFLOW, EOPNOTSUPP, EADDRNOTAVAIL } =
  ERRNO;

export function reserveError(errno: number, size: bigint): DmaError {
  return systemError(errno, {
    what: `cannot reserve ${formatBytes(size)} of addresses`,
    syscall: errno === ENOMEM ? 'mmap' : 'memfd_create',
    because: errno === ENOMEM ? 'the process has no free address range of that size' : undefined,
    hint:
      errno === ENOMEM
        ? 'Use RamBlocks, which reserves no addresses, ask for less (a process has 128 TiB), or raise its limit of address space: ulimit -v unlimited.'
        : undefined,
  });
}

/** The error of a mapping that could not be made or released. `inTheWay`: the mapping that it overlaps. `fewer`: how to need fewer memory areas. */
export function mapError(
  errno: number,
  change: Pick<MapChange, 'range'> & Partial<MapChange>,
  {
    inTheWay,
    fewer = FEWER_AREAS.forMappings,
  }: { readonly inTheWay?: MemoryRange | undefined; readonly fewer?: string } = {},
): DmaError {
  const { range, region, backing } = change;
  const file = backing === undefined || backing === 'private' ? undefined : backing;
  const label = file === undefined ? 'private memory' : `"${file.mappable.label}"`;
  const releasing = backing === undefined;
  const reason = (): { readonly because?: string; readonly hint?: string } => {
    switch (errno) {
      case EEXIST:
        return {
          because: `a different mapping is in the way, at ${inTheWay?.toString() ?? 'part of it'}`,
          hint: 'Release that one first.',
        };
      case EFAULT:
        return {
          because: `it reaches beyond the end of ${label}${file === undefined ? '' : lengthOf(file.mappable)}`,
          hint: 'Make the file longer, or the mapping shorter: memory beyond the end of a file cannot be touched.',
        };
      case EACCES:
        return {
          because: `${label} is not open for ${change.writable === true ? 'writing' : 'reading'}`,
          hint: 'Open the file for reading and writing, or map it read-only (writable: false).',
        };
      case EPERM:
        return { because: `${label} is sealed against writing`, hint: 'Map it read-only (writable: false).' };
      case ENODEV:
        return {
          because: `${label} cannot be mapped`,
          hint: 'Use a memfd, a file on tmpfs or a disk, or a device that can.',
        };
      case EINVAL:
        return releasing
          ? { because: 'the range cuts a mapping', hint: 'Release whole mappings.' }
          : (hugePageRule(file) ?? {
              because: 'the file does not accept this offset, address or length',
              hint: 'They must be multiples of its page size: 0x1000, or that of the huge pages; of a device, lie inside a region that can be mapped.',
            });
      case EOVERFLOW:
        return {
          because: 'its file offset and length reach beyond 2^63 bytes, the end of all files',
          hint: 'Use a smaller file offset or a shorter mapping.',
        };
      case ENOMEM:
        return {
          because: `no free addresses for ${formatBytes(range.length)}, no memory, no huge pages, or too many memory areas in this process`,
          hint:
            'A process has 128 TiB of addresses, or less by ulimit -v. For memory see free -m, and HugePages_Free in /proc/meminfo. If ' +
            `wc -l < /proc/PID/maps is near sysctl vm.max_map_count, raise that. ${fewer}.`,
        };
      default:
        return {};
    }
  };
  return systemError(errno, {
    what: releasing ? 'cannot release' : `cannot map ${label}`,
    syscall: 'mmap',
    range,
    region,
    ...reason(),
  });
}

/** The error text for a part of a huge page, which `AddressSpace` cannot map. `undefined` for a file of ordinary pages. */
function hugePageRule(backing: Exclude<MapChange['backing'], 'private'> | undefined): Shortage | undefined {
  // A part of an ordinary page is no question of huge pages.
  const file = backing === undefined || backing.fileOffset % PAGE_SIZE !== 0n ? undefined : lookAt(backing.mappable);
  const size = file === undefined ? undefined : hugePageSizeOf(file.fd);
  return size === undefined
    ? undefined
    : {
        because: `it consists of huge pages of ${formatBytes(size)}, of which only whole ones can be mapped`,
        hint:
          `Guest address, length and file offset of each mapping must be multiples of 0x${size.toString(16)}. For memory that is divided more ` +
          "finely: use RamBlocks, or let an IommufdTarget map it by file (by: 'file'): both take any page.",
      };
}

/** The error of a call on a range in which another thread is releasing memory. */
export function leavingError({ range, region }: Pick<MapChange, 'range'> & Partial<MapChange>): DmaError {
  return systemError(EBUSY, {
    what: region === undefined ? 'cannot release' : 'cannot map',
    range,
    region,
    because: 'memory there is being released on another thread',
    hint: 'Wait for the promise that releaseBatch() returned.',
  });
}

/**
 * The error of `read` and `write`. `fault` is the first page that is not mapped (or not writable); `undefined` if all pages are mapped, but
 * one has no backing. `held` are the mappings in the range.
 */
export function copyError(
  errno: number,
  access: 'read' | 'write',
  gpa: bigint,
  length: number,
  fault: MemoryRange | undefined,
  held: readonly HeldMapping[],
): DmaError {
  const what = `cannot ${access} ${length} bytes at 0x${gpa.toString(16)}`;
  if (errno === EACCES) {
    return systemError(errno, { what, because: `${fault?.toString() ?? 'part of it'} is read-only` });
  }
  if (fault !== undefined) {
    return systemError(errno, { what, ...notMapped(fault.toString()) });
  }
  return systemError(
    errno,
    errno === EFAULT ? { what, ...unbacked(held) } : { what, because: 'it reaches beyond the end of guest memory' },
  );
}

function notMapped(where: string): { readonly because: string; readonly hint: string } {
  return {
    because: `${where} is not mapped`,
    hint:
      'Only active mappings of a RegionManager are accessible, and those for which no target needs a host address only with ' +
      "new RegionManager({ vaMapper, hostAddresses: 'always' }).",
  };
}

/** Why mapped memory is inaccessible: a file is shorter than its mapping, or a page of it cannot be allocated. */
function unbacked(held: readonly HeldMapping[]): Shortage {
  for (const { mappable, fileOffset, range } of held) {
    const file = mappable === undefined ? undefined : lookAt(mappable);
    const whole = file !== undefined && file.size >= fileOffset + range.length;
    const shortage = whole ? shortageOf(file.fd) : undefined;
    if (shortage !== undefined) {
      return shortage;
    }
  }
  return {
    because: 'what backs it is gone',
    hint: 'The file was cut short, or the device was reset or removed. Seal files against it with F_SEAL_SHRINK, as Memfd.create does.',
  };
}

export function viewError(errno: number, range: MemoryRange, fault: MemoryRange | undefined): DmaError {
  const where = fault?.toString() ?? 'part of it';
  const reason = (): { readonly because?: string; readonly hint?: string } => {
    switch (errno) {
      case EFAULT:
        return notMapped(where);
      case EACCES:
        return { because: `${where} is read-only`, hint: 'A store through a view would end the process: use read().' };
      case EOPNOTSUPP:
        return {
          because:
            'it is backed by a file that can lose pages: one that is not sealed against shrinking, or one of huge pages',
          hint: 'A load through a view would then end the process: use read() and write(), or a memfd of Memfd.create without hugePages.',
        };
      case EADDRNOTAVAIL:
        return {
          because: 'its mappings do not lie side by side in host memory',
          hint: 'Make a view of each mapping, or use read() and write(), which cross from one to the next.',
        };
      case E2BIG:
        return { because: 'a view reaches at most 4 GiB', hint: 'Make several.' };
      default:
        return {};
    }
  };
  return systemError(errno, { what: 'cannot view', range, ...reason() });
}

function lengthOf(mappable: Mappable): string {
  const file = lookAt(mappable);
  return file === undefined ? '' : `, which is 0x${file.size.toString(16)} bytes long`;
}

function lookAt(mappable: Mappable): { readonly fd: number; readonly size: bigint } | undefined {
  try {
    const { fd } = mappable;
    return { fd, size: fstatSync(fd, { bigint: true }).size };
  } catch {
    return undefined;
  }
}
