import { readFileSync } from 'node:fs';

/** What this process may pin. Pages that a device can reach cannot be moved or swapped out, so the kernel counts them as locked. */
export interface LockedMemory {
  /** RLIMIT_MEMLOCK (getrlimit(2)), in bytes; `undefined` when it is unlimited, or does not count for this process. */
  readonly limit: bigint | undefined;
  /** What VFIO type1 has counted for this process (proc(5), VmLck), in bytes. */
  readonly locked: bigint;
  /** What iommufd has pinned for this process (proc(5), VmPin), in bytes. It counts for the user, across processes. */
  readonly pinned: bigint;
}

/** The bit of CAP_IPC_LOCK, with which the limit does not count (capabilities(7)). */
const CAP_IPC_LOCK = 1n << 14n;

export function lockedMemory(): LockedMemory {
  const status = readFileSync('/proc/self/status', 'utf8');
  const kilobytes = (field: string): bigint =>
    BigInt(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024n;
  const capabilities = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const soft = /^Max locked memory\s+(\d+)/m.exec(limits)?.[1];
  return {
    limit: soft === undefined || (capabilities & CAP_IPC_LOCK) !== 0n ? undefined : BigInt(soft),
    locked: kilobytes('VmLck'),
    pinned: kilobytes('VmPin'),
  };
}

/** What to do about a limit that does not suffice for `needed` more bytes. */
export function lockedMemoryHint({ limit, locked, pinned }: LockedMemory, needed: bigint): string {
  const used = locked > pinned ? locked : pinned;
  const have =
    limit === undefined
      ? 'no limit of locked memory counts for this process'
      : `the limit of locked memory is ${limit} bytes`;
  // iommufd counts for the user, and the kernel tells a process its own share alone.
  const hidden =
    limit !== undefined && used + needed <= limit ? ', so other processes of this user have pinned the rest' : '';
  return (
    `${have}, ${used} are used, ${needed} more are needed${hidden}: raise it with \`ulimit -l\`, LimitMEMLOCK= of systemd or limits.conf, ` +
    'or give the process CAP_IPC_LOCK'
  );
}
