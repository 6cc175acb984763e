import { lockedMemory } from '../../targets/kernel/locked-memory.js';
import { namesIn, numberOf, textOf, type MachineRoots } from './machine-files.js';
import type { HugePageFacts, LockedMemoryFacts } from './report.js';

/** The bit of CAP_IPC_LOCK (capabilities(7)). */
const CAP_IPC_LOCK = 1n << 14n;

/** The limits of this process; `null` if the kernel does not report them. */
export function lookAtLockedMemory({ proc }: MachineRoots): LockedMemoryFacts | null {
  try {
    const { limit, locked, pinned } = lockedMemory();
    const effective = /^CapEff:\s+([0-9a-f]+)$/m.exec(textOf(`${proc}/self/status`) ?? '')?.[1] ?? '0';
    return {
      limit: limit === undefined ? null : Number(limit),
      capIpcLock: (BigInt(`0x${effective}`) & CAP_IPC_LOCK) !== 0n,
      locked: Number(locked),
      pinned: Number(pinned),
    };
  } catch {
    return null;
  }
}

/** Ascending by size. */
export function lookAtHugePages({ sys }: MachineRoots): readonly HugePageFacts[] {
  const folder = `${sys}/kernel/mm/hugepages`;
  return namesIn(folder)
    .flatMap((name) => {
      const kilobytes = /^hugepages-(\d+)kB$/.exec(name)?.[1];
      const total = numberOf(`${folder}/${name}/nr_hugepages`);
      const free = numberOf(`${folder}/${name}/free_hugepages`);
      return kilobytes === undefined || total === null
        ? []
        : [{ size: Number(kilobytes) * 1024, total, free: free ?? 0 }];
    })
    .sort((a, b) => a.size - b.size);
}

export function maxMapCount({ proc }: MachineRoots): number | null {
  return numberOf(`${proc}/sys/vm/max_map_count`);
}

export function dmaEntryLimit({ sys }: MachineRoots): number | null {
  return numberOf(`${sys}/module/vfio_iommu_type1/parameters/dma_entry_limit`);
}
