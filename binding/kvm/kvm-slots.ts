import { MemoryRange } from '../../streams/index.js';
import { ERRNO, madeBy, PAGE_SIZE, printable, readable } from '../../streams/internal.js';
import { checkInteger, checkOptions, checkSwitch, toBytes } from '../checks.js';
import { checkPass, PASS } from '../constructor-pass.js';
import { closedError } from '../errors.js';
import type { DmaBatch } from '../iommu/dma-batch.js';
import { native } from '../native.js';
import type { RowRunner, Runner, SlotsHandle, VmHandle } from '../native.js';
import { kvmError } from './kvm-device.js';

const { ENOENT } = ERRNO;

/** Options of `KvmVm.memorySlots`. */
export interface KvmSlotsOptions {
  /** The lowest slot number to use. Default: 0. */
  readonly first?: number;
  /** How many slot numbers to use. Default: all from `first` on. */
  readonly count?: number;
  /** Whether the kernel logs which pages the guest writes (`KVM_MEM_LOG_DIRTY_PAGES`). Default: false. */
  readonly dirtyLog?: boolean;
}

/** A memory slot of a VM. */
export interface KvmSlot {
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** Its number in the VM. */
  readonly number: number;
}

/**
 * Memory slots of a VM (`KVM_SET_USER_MEMORY_REGION`). Made by {@link KvmVm.memorySlots}.
 *
 * The rows of a `DmaBatch` set and delete them: `mapVa` sets the lowest free slot, read-only where it is not writable; `unmap` deletes the
 * slots inside its range. KVM does not pin memory: the guest sees what is mapped at the host virtual addresses. So the addresses of a slot
 * stay reserved until the slot is deleted, also after the `AddressSpace` or `RamBlocks` that made them was closed. The guest then finds no
 * memory there (`EFAULT` of {@link KvmVcpu.run}), or that of the file, but never memory of something else.
 *
 * @example
 * ```ts
 * import { Kvm } from 'dma-streams/binding';
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * const slots = vm.memorySlots({ first: 8 });
 * console.log(slots.free === vm.slots - 8, slots.list()); // true []
 * ```
 */
export class KvmSlots {
  /** The slot numbers that this table uses: from `first` on, `count` of them. */
  readonly first: number;
  /** How many slot numbers it uses. */
  readonly count: number;
  readonly #slots: SlotsHandle;
  readonly #isOpen: () => boolean;
  #runner: Runner | undefined;
  #rowRunner: RowRunner | undefined;

  private constructor(pass: symbol, slots: SlotsHandle, first: number, count: number, isOpen: () => boolean) {
    checkPass(pass, KvmSlots);
    this.#slots = slots;
    this.#isOpen = isOpen;
    this.first = first;
    this.count = count;
  }

  /**
   * @param all the number of slots that the VM can have
   * @param isOpen whether the VM is open; it keeps the VM
   * @internal
   */
  static create(vm: VmHandle, all: number, options: KvmSlotsOptions, isOpen: () => boolean): KvmSlots {
    const {
      first = 0,
      count = all - first,
      dirtyLog = false,
    } = checkOptions(options, { first: true, count: true, dirtyLog: true }, 'memorySlots');
    checkInteger(first, 'first', 0, all);
    checkInteger(count, 'count', 1, all - first + 1);
    checkSwitch(dirtyLog, 'dirtyLog');
    const slots = native().kvmSlotsCreate(vm, first, count, dirtyLog);
    if (typeof slots === 'number') {
      throw closedError('this VM');
    }
    return new KvmSlots(PASS, slots, first, count, isOpen);
  }

  /**
   * Sets and deletes slots, by the rows of a batch, in order, on this thread. A row that fails throws no error: `EEXIST` for a slot that
   * overlaps another one, `ENOSPC` if no slot number is free, `EINVAL` if the guest cannot have memory at the address or if an unmap contains
   * only a part of a slot, `EBUSY` if another thread is deleting a slot in its range, `EFAULT` if the memory is not mapped or not writable.
   *
   * @param options.stopAtFailure whether to stop after the first row that fails. Default: false
   * @returns number of rows that were run; the batch has the result of each
   * @throws DmaError `ERR_CLOSED`
   */
  run(batch: DmaBatch, options: { readonly stopAtFailure?: boolean } = {}): number {
    const slots = this.#open();
    if (batch.length === 1) {
      return batch.runRow((this.#rowRunner ??= native().kvmSlotsRowRunner(slots)));
    }
    const runner = (this.#runner ??= native().kvmSlotsRunner(slots));
    return batch.runNow((rows, results, count) => runner(rows, results, count, options.stopAtFailure === true, false));
  }

  /**
   * Does the same as {@link KvmSlots.run} on a separate thread. Until the promise settles, the batch is locked.
   *
   * @throws DmaError also `EAGAIN` if the process cannot create another thread: no row is run
   */
  runAsync(batch: DmaBatch, options: { readonly stopAtFailure?: boolean } = {}): Promise<number> {
    const runner = (this.#runner ??= native().kvmSlotsRunner(this.#open()));
    return batch.runLater((rows, results, count) => runner(rows, results, count, options.stopAtFailure === true, true));
  }

  /** The number of free slot numbers. */
  get free(): number {
    return native().kvmSlotsFree(this.#slots);
  }

  /** The slots, ascending. Empty once the VM is closed. */
  list(): readonly KvmSlot[] {
    const numbers = native().kvmSlotsList(this.#slots);
    const slots: KvmSlot[] = [];
    for (let at = 0; at < numbers.length; at += 3) {
      const [start = 0, end = 0, number = 0] = numbers.subarray(at, at + 3);
      slots.push({ range: MemoryRange.of(BigInt(start) * PAGE_SIZE, BigInt(end) * PAGE_SIZE), number });
    }
    return slots;
  }

  /** The number of the slot that contains this guest physical address; `undefined` if there is none. @throws TypeError, RangeError */
  slotOf(gpa: bigint | number): number | undefined {
    const number = native().kvmSlotsFind(this.#slots, toBytes(gpa, 'gpa'));
    return number < 0 ? undefined : number;
  }

  /**
   * Switches the log of written pages on or off, for all slots, and for those that are set later. Takes one system call for each slot, and
   * blocks until all are done.
   *
   * @throws DmaError of the kernel; `ERR_CLOSED`. Slots before the one that failed were switched
   */
  logDirtyPages(on: boolean): void {
    checkSwitch(on, 'on');
    const result = native().kvmSlotsLogDirtyPages(this.#open(), on);
    if (result < 0) {
      throw kvmError(result, 'cannot switch the dirty log', 'KVM_SET_USER_MEMORY_REGION');
    }
  }

  /**
   * Returns the log of one slot, and clears it: which pages the guest has written since the last call. Writes of this process are not in it.
   *
   * @param start where the slot begins
   * @returns bit n % 8 of byte n / 8 is page n of the slot; a multiple of 8 bytes
   * @throws DmaError `ENOENT` if no slot begins there, or its pages are not logged; `ERR_CLOSED`; TypeError, RangeError
   */
  takeDirtyLog(start: bigint | number): Uint8Array {
    const at = toBytes(start, 'start');
    const bits = native().kvmSlotsTakeDirtyLog(this.#open(), at);
    if (typeof bits !== 'number') {
      return bits;
    }
    const hint = bits === ENOENT ? 'Does a slot begin there, and is its log switched on?' : undefined;
    throw kvmError(bits, `cannot get the dirty log of the slot at 0x${start.toString(16)}`, 'KVM_GET_DIRTY_LOG', hint);
  }

  #open(): SlotsHandle {
    if (!this.#isOpen()) {
      throw closedError('this VM');
    }
    return this.#slots;
  }
}

madeBy(KvmSlots, 'kvmVm.memorySlots');
printable(KvmSlots, (slots) => ({ first: slots.first, count: slots.count, free: readable(() => slots.free) }));
