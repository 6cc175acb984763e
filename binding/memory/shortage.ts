import { fstatSync, readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { formatBytes } from '../errors.js';

/** The resource that is exhausted when a page of a file cannot be allocated. */
export interface Shortage {
  /** Second half of a sentence. */
  readonly because: string;
  /** What to do, in full sentences. */
  readonly hint: string;
}

// From <linux/magic.h>.
const TMPFS_MAGIC = 0x0102_1994n;
const HUGETLBFS_MAGIC = 0x9584_58f6n;

const STRICT_COMMIT = 2n;

/**
 * Why `needed` more bytes of this file cannot be allocated: its file system is full, no huge page is free, or the kernel commits no more
 * memory.
 *
 * It examines the current state of the system, so call it soon after the failure.
 *
 * @param needed in bytes; default: one page
 * @returns `undefined` if nothing is exhausted, if it is not a regular file, or if the cause cannot be determined
 */
export function shortageOf(fd: number, needed = 1n): Shortage | undefined {
  const link = `/proc/self/fd/${fd}`;
  try {
    if (!fstatSync(fd).isFile()) {
      return undefined;
    }
    const { type, bsize, blocks, bavail } = statfsSync(link, { bigint: true });
    // Memfds are on file systems without a size limit, which report 0 blocks.
    if (blocks > 0n && bavail * bsize < needed) {
      return fullFileSystem(readlinkSync(link), blocks * bsize, bavail * bsize);
    }
    if (type === HUGETLBFS_MAGIC) {
      return noHugePages(bsize, (needed + bsize - 1n) / bsize);
    }
    return type === TMPFS_MAGIC ? nothingLeftToCommit(needed) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the pages of the file are memory, and not blocks on a disk. `false` for huge pages, which are reserved in advance. */
export function isInMemory(fd: number): boolean {
  try {
    return statfsSync(`/proc/self/fd/${fd}`, { bigint: true }).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
}

/** The huge page size of a file, in bytes; `undefined` if it has no huge pages, or is closed. */
export function hugePageSizeOf(fd: number): bigint | undefined {
  try {
    const { type, bsize } = statfsSync(`/proc/self/fd/${fd}`, { bigint: true });
    return type === HUGETLBFS_MAGIC ? bsize : undefined;
  } catch {
    return undefined;
  }
}

/** What to do for `needed` more huge pages of `pageSize` bytes. */
export function hugePageHint(pageSize: bigint, needed: bigint): string {
  const folder = hugePageFolder(pageSize);
  const { total, unclaimed } = hugePages(pageSize);
  const now =
    total === undefined || unclaimed === undefined ? '' : ` The machine has ${total}, of which ${unclaimed} are free.`;
  const more = total === undefined ? needed : total + needed - (unclaimed ?? 0n);
  return `It needs ${needed} pages.${now} As root: echo ${more} > ${folder}/nr_hugepages`;
}

function fullFileSystem(path: string, size: bigint, left: bigint): Shortage {
  return {
    because: `the file system of ${path} ${left === 0n ? 'is full' : `has ${kibibytes(left)} left`}`,
    hint:
      `It holds ${kibibytes(size)} (df shows what is used). Delete files there, or make it larger: mount -o remount,size=SIZE for a tmpfs, ` +
      'docker run --shm-size=SIZE for the /dev/shm of a container. Memfd.reserve() tells beforehand whether there is enough.',
  };
}

function noHugePages(pageSize: bigint, needed: bigint): Shortage | undefined {
  const { unclaimed } = hugePages(pageSize);
  return unclaimed === undefined || unclaimed >= needed
    ? undefined
    : {
        because: `${unclaimed === 0n ? 'no' : `only ${unclaimed}`} huge pages of ${kibibytes(pageSize)} are free`,
        hint: hugePageHint(pageSize, needed),
      };
}

/** The kernel keeps two reserves: one for root, and one that lets the user recover. */
function nothingLeftToCommit(needed: bigint): Shortage | undefined {
  if (number('/proc/sys/vm/overcommit_memory') !== STRICT_COMMIT) {
    return undefined;
  }
  const meminfo = readFileSync('/proc/meminfo', 'utf8');
  const [limit, committed] = ['CommitLimit', 'Committed_AS'].map((name) =>
    BigInt(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? '0'),
  ) as [bigint, bigint];
  const reserves =
    (number('/proc/sys/vm/admin_reserve_kbytes') ?? 0n) + (number('/proc/sys/vm/user_reserve_kbytes') ?? 0n);
  return committed + reserves + (needed >> 10n) < limit
    ? undefined
    : {
        because: 'the kernel commits no more memory (vm.overcommit_memory is 2)',
        hint:
          `${committed} KiB of ${limit} KiB are committed (Committed_AS and CommitLimit in /proc/meminfo), and ${reserves} KiB are kept back. Raise ` +
          'vm.overcommit_ratio or vm.overcommit_kbytes, or add swap. Memfd.create(label, size, { reserve: true }) tells at creation.',
      };
}

function hugePages(pageSize: bigint): { readonly total: bigint | undefined; readonly unclaimed: bigint | undefined } {
  const folder = hugePageFolder(pageSize);
  const free = number(`${folder}/free_hugepages`);
  const reserved = number(`${folder}/resv_hugepages`);
  return {
    total: number(`${folder}/nr_hugepages`),
    unclaimed: free === undefined || reserved === undefined ? undefined : free - reserved,
  };
}

function hugePageFolder(pageSize: bigint): string {
  return `/sys/kernel/mm/hugepages/hugepages-${pageSize >> 10n}kB`;
}

function number(path: string): bigint | undefined {
  try {
    return BigInt(readFileSync(path, 'utf8').trim());
  } catch {
    return undefined;
  }
}

function kibibytes(bytes: bigint): string {
  return formatBytes((bytes >> 10n) << 10n);
}
