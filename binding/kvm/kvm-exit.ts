/** Why a run of a vCPU ended. */
export type KvmExit = KvmIoExit | KvmMmioExit | KvmHaltExit | KvmFailExit;

/** The guest accesses a port. */
export interface KvmIoExit {
  /** Tells the exits apart. */
  readonly kind: 'io';
  /** `'in'`: the guest waits for `size * count` bytes, which are given to the next `run`. */
  readonly direction: 'in' | 'out';
  /** Number of the port, 0 to 65535. */
  readonly port: number;
  /** Bytes of one access: 1, 2 or 4. */
  readonly size: number;
  /** Number of accesses; more than 1 for string instructions. */
  readonly count: number;
  /** What the guest wrote; empty for `'in'`. */
  readonly data: Buffer;
}

/** The guest accesses an address that has no memory slot, or writes to a read-only one. */
export interface KvmMmioExit {
  /** Tells the exits apart. */
  readonly kind: 'mmio';
  /** `'read'`: the guest waits for `length` bytes, which are given to the next `run`. */
  readonly direction: 'read' | 'write';
  /** Guest physical address. */
  readonly address: bigint;
  /** In bytes, at most 8. */
  readonly length: number;
  /** What the guest wrote; empty for `'read'`. */
  readonly data: Buffer;
}

/**
 * `'halt'`: the guest executed `hlt`. `'shutdown'`: it cannot go on, after a triple fault for example. `'interrupted'`: `interrupt` or `close`
 * was called.
 */
export interface KvmHaltExit {
  /** Which of the three it is. */
  readonly kind: 'halt' | 'shutdown' | 'interrupted';
}

/** KVM or the processor cannot run the guest in its state, or ended the run for a reason that this library does not know. */
export interface KvmFailExit {
  /** Tells the exits apart. */
  readonly kind: 'fail';
  /** Number of the exit (`KVM_EXIT_…`). */
  readonly exit: number;
  /** Name of the exit without `KVM_EXIT_`, where it is known: `'FAIL_ENTRY'`, `'INTERNAL_ERROR'`. */
  readonly name: string;
  /** A code of the processor or of KVM that belongs to the exit. */
  readonly code: bigint;
}

/** KVM_EXIT_… of <linux/kvm.h>. */
const IO = 2;
const HLT = 5;
const MMIO = 6;
const SHUTDOWN = 8;
const INTR = 10;
const NAMES: Readonly<Record<number, string>> = {
  0: 'UNKNOWN',
  1: 'EXCEPTION',
  3: 'HYPERCALL',
  4: 'DEBUG',
  7: 'IRQ_WINDOW_OPEN',
  9: 'FAIL_ENTRY',
  17: 'INTERNAL_ERROR',
  24: 'SYSTEM_EVENT',
  39: 'MEMORY_FAULT',
};

/** How many fields native code gives (`kExitFields`), and most bytes of data: a page. */
export const EXIT_FIELDS = 5;
export const EXIT_DATA = 4096;

/**
 * Makes the record of an exit. `fields` and `data` are what native code gives; the data is copied.
 *
 * @param exit number of the exit
 */
export function toExit(exit: number, fields: Float64Array, data: Buffer): KvmExit {
  const [direction = 0, second = 0, size = 0, count = 0, length = 0] = fields;
  const isWrite = direction !== 0;
  const written = isWrite ? Buffer.from(data.subarray(0, length)) : Buffer.alloc(0);
  switch (exit) {
    case IO:
      return { kind: 'io', direction: isWrite ? 'out' : 'in', port: second, size, count, data: written };
    case MMIO:
      return {
        kind: 'mmio',
        direction: isWrite ? 'write' : 'read',
        address: BigInt(second),
        length,
        data: written,
      };
    case HLT:
      return { kind: 'halt' };
    case SHUTDOWN:
      return { kind: 'shutdown' };
    case INTR:
      return { kind: 'interrupted' };
    default:
      return {
        kind: 'fail',
        exit,
        name: NAMES[exit] ?? String(exit),
        code: (BigInt(second) << 32n) | BigInt(direction),
      };
  }
}

/** Whether the exit has fields or data besides its number. */
export function hasFields(exit: number): boolean {
  return exit !== HLT && exit !== SHUTDOWN && exit !== INTR;
}
