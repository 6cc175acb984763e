import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** How much more memory this process can have, by what limits it most. */
export interface MemoryHeadroom {
  readonly bytes: bigint;
  /** The folder of the memory cgroup whose limit it is; none: all that the machine has. */
  readonly cgroup?: string;
}

/** The names of the files of a memory cgroup, and of the lines of its `memory.stat`. */
const VERSION_2 = {
  mounts: ['sys/fs/cgroup', 'sys/fs/cgroup/unified'],
  limit: 'memory.max',
  usage: 'memory.current',
  cache: 'file',
  shared: 'shmem',
} as const;
const VERSION_1 = {
  mounts: ['sys/fs/cgroup/memory'],
  limit: 'memory.limit_in_bytes',
  usage: 'memory.usage_in_bytes',
  cache: 'total_cache',
  shared: 'total_shmem',
} as const;
type Version = typeof VERSION_1 | typeof VERSION_2;

/**
 * An upper bound: what is used for caches, and free swap, counts as free.
 *
 * Above it, the kernel does not refuse memory. It ends a process (SIGKILL), and most likely this one.
 *
 * @param root where `proc` and `sys` are
 * @returns `undefined` where it cannot be found out
 */
export function memoryHeadroom(root = '/'): MemoryHeadroom | undefined {
  const available = meminfo(root, 'MemAvailable');
  const swap = meminfo(root, 'SwapFree') ?? 0n;
  const cgroups = memoryCgroups(root).flatMap(([folder, version]) => {
    const free = freeIn(folder, version);
    return free === undefined ? [] : [{ bytes: free + swap, cgroup: folder }];
  });
  const all: MemoryHeadroom[] = [...(available === undefined ? [] : [{ bytes: available + swap }]), ...cgroups];
  return all.reduce<MemoryHeadroom | undefined>(
    (least, one) => (least === undefined || one.bytes < least.bytes ? one : least),
    undefined,
  );
}

/** The folder of this process's memory cgroup, and of each that it is in, up to the mount. */
function memoryCgroups(root: string): (readonly [folder: string, version: Version])[] {
  return (text(join(root, 'proc/self/cgroup')) ?? '').split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) {
      return [];
    }
    const version = controllers === '' ? VERSION_2 : controllers.split(',').includes('memory') ? VERSION_1 : undefined;
    const paths: string[] = [];
    for (let at = path; at !== '/' && at !== '.'; at = dirname(at)) {
      paths.push(at);
    }
    paths.push('');
    return version === undefined
      ? []
      : version.mounts.flatMap((mount) => paths.map((one) => [join(root, mount, one), version] as const));
  });
}

/** `undefined` when there is no such folder, or no limit. */
function freeIn(folder: string, version: Version): bigint | undefined {
  const limit = text(join(folder, version.limit))?.trim();
  const usage = text(join(folder, version.usage))?.trim();
  if (limit === undefined || limit === 'max' || usage === undefined) {
    return undefined;
  }
  const stat = text(join(folder, 'memory.stat')) ?? '';
  const [cache, shared] = [version.cache, version.shared].map((name) =>
    BigInt(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? '0'),
  ) as [bigint, bigint];
  return BigInt(limit) - (BigInt(usage) - (cache - shared));
}

/** In bytes. */
function meminfo(root: string, name: string): bigint | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text(join(root, 'proc/meminfo')) ?? '')?.[1];
  return found === undefined ? undefined : BigInt(found) << 10n;
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
