import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** How much more memory this process can allocate, under the strictest limit. */
export interface MemoryHeadroom {
  readonly bytes: bigint;
  /** The folder of the memory cgroup with that limit; `undefined` if the limit is the memory of the machine. */
  readonly cgroup?: string;
}

/** File names of a memory cgroup, and keys in its `memory.stat`. */
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
 * An upper bound of the available memory: caches and free swap count as free.
 *
 * Above it, allocations do not fail. The kernel kills a process instead (SIGKILL), most likely this one.
 *
 * @param root folder that contains `proc` and `sys`
 * @returns `undefined` if it cannot be determined
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

/** The folders of the memory cgroup of this process and of its ancestors, up to the mount point. */
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

/** `undefined` if there is no such folder, or no limit. */
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
