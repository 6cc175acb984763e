import { readFileSync } from 'node:fs';
import type { DmaMapRequest } from '../../streams/index.js';

/** How much this process may pin. Pages that a device can access cannot be moved or swapped out, so the kernel counts them as locked. */
export interface LockedMemory {
  /** RLIMIT_MEMLOCK (getrlimit(2)), in bytes; `undefined` if it is unlimited, or does not apply to this process. */
  readonly limit: bigint | undefined;
  /** Memory that VFIO type1 has charged to this process (proc(5), VmLck), in bytes. */
  readonly locked: bigint;
  /** Memory that iommufd has pinned for this process (proc(5), VmPin), in bytes. It is charged to the user, across processes. */
  readonly pinned: bigint;
}

const MEBIBYTE = 1n << 20n;

/** The bit of CAP_IPC_LOCK, with which the limit does not apply (capabilities(7)). */
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

/** Memory that these requests would pin, in bytes. Device memory is not pinned. */
export function bytesToPin(
  requests: readonly DmaMapRequest[],
  isPinned: (request: DmaMapRequest) => boolean = () => false,
): bigint {
  return requests.reduce(
    (sum, request) => (request.type === 'device' || isPinned(request) ? sum : sum + request.range.length),
    0n,
  );
}

/** Hint for a limit that is too low for `needed` more bytes; `undefined` if no limit applies. */
export function lockedMemoryHint({ limit, locked, pinned }: LockedMemory, needed: bigint): string | undefined {
  if (limit === undefined) {
    return undefined;
  }
  const used = locked > pinned ? locked : pinned;
  const have = `the limit of locked memory is ${limit} bytes, ${used} are used, ${needed} more are needed`;
  const total = used + needed;
  // iommufd charges the user, and the kernel reports only the share of each process.
  if (total <= limit) {
    return (
      `${have}, so other processes of this user have pinned the rest: raise it with \`ulimit -l\`, LimitMEMLOCK= of systemd or limits.conf, ` +
      'or give the process CAP_IPC_LOCK'
    );
  }
  // Rounded up: a check of the device, or the next small region, pins another page.
  const enough = (total / MEBIBYTE + 1n) * MEBIBYTE;
  const kibibytes = enough / 1024n;
  return (
    `${have}: raise it to ${enough} bytes, which leaves a little to spare, with \`ulimit -l ${kibibytes}\`, LimitMEMLOCK=${kibibytes}K of systemd or limits.conf, --ulimit memlock=${enough} of docker and podman, ` +
    'or give the process CAP_IPC_LOCK'
  );
}
