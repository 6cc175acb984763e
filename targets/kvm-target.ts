import type { KvmSlots, KvmVm } from '../binding/index.js';
import { checkLabel } from '../binding/checks.js';
import type { BatchStop, DmaMapRequest, DmaTarget, MemoryRange } from '../streams/index.js';
import { checkHandle } from './kernel/handle-check.js';
import { IommuCalls } from './kernel/iommu-calls.js';
import { stuckError, unmapError } from './kernel/kernel-errors.js';
import { KernelTarget, putMapByVa, type KernelInterface } from './kernel/kernel-target.js';
import { guestLimits, slotHint, slotMisfit, type GuestLimits } from './kernel/slot-errors.js';
import { checkOptions, printable } from '../streams/internal.js';

/** What pauses and resumes the vCPUs of a VM. */
export interface VcpuPause {
  /**
   * Called before a set. When it has returned, or its promise has resolved, no vCPU runs the guest.
   *
   * If it fails, nothing of the set is done at this target, and `resume` is not called: it must have resumed what it had paused. The set waits
   * for it without a limit.
   */
  pause(): void | Promise<void>;
  /** Called after the set, also after one that failed. If it fails, `onWarning` of the manager gets the error; the set stays. */
  resume(): void | Promise<void>;
}

/** Options of a `KvmTarget`. */
export interface KvmTargetOptions {
  /** Name in errors. Default: `'kvm'`. */
  readonly name?: string;
  /** The lowest slot number to use. Lower ones are left to other code. Default: 0. */
  readonly firstSlot?: number;
  /** How many slot numbers to use. Default: all from `firstSlot` on. */
  readonly slots?: number;
  /** Whether the kernel logs which pages the guest writes (`KVM_MEM_LOG_DIRTY_PAGES`). Default: false. */
  readonly dirtyLog?: boolean;
  /** Pauses the vCPUs around each set, so that they do not see the moment between its unmaps and its maps. Default: nothing does. */
  readonly around?: VcpuPause;
}

/**
 * Longer sets run on another thread. One call takes the kernel 10 to 20 µs, most of it waiting for other threads of the kernel and for vCPUs.
 * On a machine with more work than processors they wait for a processor: 16 calls beside a running vCPU took 0.3 ms in the median and 9 ms in
 * the 99th percentile, 64 calls 1.2 and 22 ms. Another thread costs 50 µs.
 *
 * What the kernel allocates for a slot grows with the size of the slot: some 2 MiB for 1 GiB.
 */
const INLINE = { rows: 16, pages: 1 << 18 };

/**
 * Gives the guest of a VM its memory: each map is a memory slot (`KVM_SET_USER_MEMORY_REGION`), by host virtual address.
 *
 * A map takes the lowest free slot number. One that is not writable is read-only for the guest, whose writes become MMIO exits. Device
 * memory is mapped by the address of its `mmap`. What has no slot becomes an MMIO exit.
 *
 * KVM does not pin memory: the guest sees what is mapped at the host virtual address. The addresses stay reserved for the memory until the
 * slot was deleted.
 *
 * **Order.** Attach it before the targets of devices: maps go to targets in attach order, and unmaps in reverse. A device then never reaches a
 * page that the guest does not see; for a moment the guest sees a page that the device does not. A set is not atomic for vCPUs that run:
 * between its unmaps and its maps an access becomes an MMIO exit. Use {@link KvmTargetOptions.around} against that.
 *
 * The target does not own the VM: close it after the target was detached. Sets of more than 16 maps or 1 GiB are made on another thread.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { Kvm, RamBlocks } from 'dma-streams/binding';
 * import { KvmTarget } from 'dma-streams/targets';
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * using memory = new RamBlocks();
 * await using manager = new RegionManager({ vaMapper: memory });
 * const target = new KvmTarget(vm);
 * await manager.attach(target);
 * console.log(target.maxMaps, target.slotOf(0x1000n)); // 32764 undefined
 * ```
 */
export class KvmTarget implements DmaTarget {
  readonly name: string;
  readonly needsVa = true;
  readonly unmapShape = 'exact';
  readonly slowForLargeMaps = false;
  /** The number of slot numbers that it may use. */
  readonly maxMaps: number;
  /** Pauses the vCPUs before the first call of a set, where `around` was given. */
  readonly beginSet?: (generation: number) => void | Promise<void>;
  /** Resumes the vCPUs after the last call of a set, where `around` was given. */
  readonly endSet?: (generation: number) => void | Promise<void>;
  readonly #slots: KvmSlots;
  readonly #limits: () => GuestLimits;
  readonly #kernel: KernelTarget;

  /**
   * @throws DmaError `ERR_CLOSED` if the VM is closed; RangeError if the VM does not have these slots; TypeError if it is no KvmVm,
   * or an option is of the wrong type
   */
  constructor(vm: KvmVm, options: KvmTargetOptions = {}) {
    const {
      name = 'kvm',
      firstSlot,
      slots,
      dirtyLog,
      around,
    } = checkOptions(options, { name: true, firstSlot: true, slots: true, dirtyLog: true, around: true }, 'KvmTarget');
    checkHandle(vm, 'memorySlots', 'a KvmVm', 'the VM of a KvmTarget');
    checkLabel(name, 'name');
    this.name = name;
    this.#slots = vm.memorySlots({
      ...(firstSlot === undefined ? {} : { first: firstSlot }),
      ...(slots === undefined ? {} : { count: slots }),
      ...(dirtyLog === undefined ? {} : { dirtyLog }),
    });
    this.maxMaps = this.#slots.count;
    let limits: GuestLimits | undefined;
    this.#limits = () => (limits ??= guestLimits(vm));
    this.#kernel = new KernelTarget(kvmInterface(name, this.#slots, this.#limits));
    if (around !== undefined) {
      checkAround(around);
      this.beginSet = () => around.pause();
      this.endSet = () => around.resume();
    }
  }

  /** The number of the slot that contains this guest physical address; `undefined` if no slot of this target does. */
  slotOf(gpa: bigint | number): number | undefined {
    return this.#slots.slotOf(gpa);
  }

  /** The ranges of the slots, ascending. Empty when the VM is closed. */
  mappedRanges(): readonly MemoryRange[] {
    return this.#slots.list().map(({ range }) => range);
  }

  /**
   * Checks a set before its first map: the number of free slots, and which addresses and sizes a slot can have. Device memory is not
   * checked, because a failure to map it is soft.
   *
   * @throws DmaError `ENOSPC` or `EINVAL` for the first request that exceeds a limit; the error names it. Nothing is mapped
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    const misfit = slotMisfit(requests, this.name, this.#slots, this.#limits());
    if (misfit !== undefined) {
      throw misfit;
    }
  }

  /**
   * Sets a memory slot. Returns a promise if it is made on another thread. On failure: there is no slot of the range.
   *
   * @throws DmaError `ENOSPC` if no slot number is free; of the kernel: `EEXIST`, `EINVAL`, `ENOMEM`, `EIO`; `EFAULT` if the memory is not
   * mapped in this process, or not writable; `ERR_NO_VA`; `ERR_CLOSED`
   */
  mapDma(request: DmaMapRequest): void | Promise<void> {
    return this.#kernel.mapDma(request);
  }

  /**
   * Sets the slots of a set in order, in one native call, up to the first failure. The failed map and those after it are not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link KvmTarget.mapDma}
   */
  mapDmaBatch(requests: readonly DmaMapRequest[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#kernel.mapDmaBatch(requests);
  }

  /**
   * Deletes the slots inside the range. A range without slots is accepted. On failure: `stuck` of the error has the slots that are left.
   *
   * @throws DmaUnmapError of the kernel: `EINVAL` if the range contains only a part of a slot; DmaError `ERR_CLOSED`
   */
  unmapDma(range: MemoryRange): void | Promise<void> {
    return this.#kernel.unmapDma(range);
  }

  /**
   * Deletes the slots of a set in order, with one native call, and stops at the first failure. The unmaps after it are not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link KvmTarget.unmapDma}
   */
  unmapDmaBatch(ranges: readonly MemoryRange[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#kernel.unmapDmaBatch(ranges);
  }
}

printable(KvmTarget, ({ name, maxMaps }) => ({ name, maxMaps }));

function kvmInterface(target: string, slots: KvmSlots, limits: () => GuestLimits): KernelInterface {
  const overlapping = (range: MemoryRange): readonly MemoryRange[] =>
    slots
      .list()
      .map((slot) => slot.range)
      .filter((held) => held.overlaps(range));
  const kernel: KernelInterface = {
    target,
    calls: new IommuCalls(slots, INLINE),
    mappedFor: 'the guest',
    mapRequest: () => 'KVM_SET_USER_MEMORY_REGION',
    unmapRequest: 'KVM_SET_USER_MEMORY_REGION',
    mapHint: (errno, request) => slotHint(errno, request, slots, limits),
    // Not asked: `checkMaps` and `mapHint` are the target's own.
    iovaRanges: () => [],
    limits: () => ({ iovaRanges: [], pinnable: undefined }),
    joins: () => 0,
    putMap(batch, request) {
      putMapByVa(batch, request, target);
    },
    finishUnmap(errno, range) {
      const stuck = overlapping(range);
      return stuck.length === 0 ? undefined : stuckError(unmapError(errno, range, kernel), range, stuck);
    },
  };
  return kernel;
}

function checkAround(around: VcpuPause): void {
  const members: Partial<Record<keyof VcpuPause, unknown>> = around;
  if (typeof members.pause !== 'function' || typeof members.resume !== 'function') {
    throw new TypeError('around needs two functions: pause and resume');
  }
}
