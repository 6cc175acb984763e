import { formatCount, formatSize } from '../output/text.js';
import { currentUser } from '../../binding/iommu/current-user.js';
import type { Check, HugePageFacts, LockedMemoryFacts } from './report.js';

/** A smaller limit is too small for a typical guest, because all of its memory is pinned. */
const ENOUGH_LOCKED_MEMORY = 1 << 30;

/** The kernel's default (DEFAULT_MAX_MAP_COUNT of <linux/mm.h>). */
const DEFAULT_MAX_MAP_COUNT = 65_530;

const HUGE_PAGES_FOR_A_GUEST = 512;

export function checkLockedMemory(facts: LockedMemoryFacts | null): Check {
  const name = 'locked memory';
  if (facts === null) {
    return { name, state: 'limited', says: 'unknown: not available in /proc', cures: [] };
  }
  const { limit, capIpcLock, locked, pinned } = facts;
  const use = `${bytes(Math.max(locked, pinned))} in use`;
  if (limit === null) {
    const why = capIpcLock ? 'CAP_IPC_LOCK' : 'RLIMIT_MEMLOCK is unlimited';
    return { name, state: 'works', says: `no limit for this process (${why}); ${use}`, cures: [] };
  }
  const says = `limit ${bytes(limit)} of device-accessible memory; ${use}`;
  if (limit >= ENOUGH_LOCKED_MEMORY) {
    return { name, state: 'works', says, cures: [] };
  }
  return {
    name,
    state: 'limited',
    says,
    cures: [
      {
        says: 'Memory that a real device can access is pinned, and this limit is small. Raise it for the next login (for a service: LimitMEMLOCK=infinity):',
        commands: [`echo '${currentUser()} - memlock unlimited' > /etc/security/limits.d/70-memlock.conf`],
        root: true,
      },
    ],
  };
}

export function checkHugePages(sizes: readonly HugePageFacts[]): Check {
  const name = 'huge pages';
  const reserved = sizes.filter(({ total }) => total > 0);
  if (reserved.length > 0) {
    const says = reserved
      .map(({ size, total, free }) => `${formatCount(free)} of ${formatCount(total)} free, ${bytes(size)} each`)
      .join('; ');
    return { name, state: 'works', says, cures: [] };
  }
  const [smallest] = sizes;
  if (smallest === undefined) {
    return { name, state: 'limited', says: 'not supported by this kernel; guests work without them', cures: [] };
  }
  const command = `echo ${HUGE_PAGES_FOR_A_GUEST} > /sys/kernel/mm/hugepages/hugepages-${smallest.size / 1024}kB/nr_hugepages`;
  return {
    name,
    state: 'limited',
    says: 'none reserved; guests work without them',
    cures: [
      {
        says: `Guest memory in huge pages is mapped and pinned faster. To reserve ${bytes(smallest.size * HUGE_PAGES_FOR_A_GUEST)}:`,
        commands: [command],
        root: true,
      },
    ],
  };
}

export function checkMaxMapCount(count: number | null): Check {
  const name = 'max_map_count';
  if (count === null) {
    return { name, state: 'limited', says: 'unknown: not available in /proc', cures: [] };
  }
  const says = `${formatCount(count)} host mappings per process`;
  if (count >= DEFAULT_MAX_MAP_COUNT) {
    return { name, state: 'works', says, cures: [] };
  }
  return {
    name,
    state: 'limited',
    says: `${says}, below the default`,
    cures: [
      {
        says: 'An AddressSpace needs one host mapping for each DMA mapping, RamBlocks one for each file. To allow more:',
        commands: [`sysctl vm.max_map_count=${DEFAULT_MAX_MAP_COUNT}`],
        root: true,
      },
    ],
  };
}

function bytes(count: number): string {
  return formatSize(BigInt(count));
}
