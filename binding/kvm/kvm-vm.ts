import { ERRNO, madeBy, printable } from '../../streams/internal.js';
import { checkFd, checkInteger, checkOptions, checkSwitch, checkU64, toBytes } from '../checks.js';
import { checkPass, PASS } from '../constructor-pass.js';
import { closedError, systemError } from '../errors.js';
import { native } from '../native.js';
import type { VmHandle } from '../native.js';
import { kvmError, vcpuRunSize } from './kvm-device.js';
import { KvmSlots, type KvmSlotsOptions } from './kvm-slots.js';
import { KvmVcpu } from './kvm-vcpu.js';

/** From <linux/kvm.h>. */
const KVM_CAP_NR_MEMSLOTS = 10;

/** A write of the guest that is reported by an eventfd instead of an exit. */
export interface KvmIoEvent {
  /** Guest physical address, or number of the port. */
  readonly address: bigint | number;
  /** Whether `address` is a port. Default: false. */
  readonly port?: boolean;
  /** Length of the write in bytes: 1, 2, 4 or 8; 0 for any length, only with a guest physical address. */
  readonly length: number;
  /** Only writes of this value. Default: of any value. */
  readonly match?: bigint;
}

/**
 * A virtual machine. Made by {@link Kvm.createVm}, or by {@link KvmVm.from} of a descriptor from elsewhere.
 *
 * @example
 * ```ts
 * import { MemoryRange, RegionManager } from 'dma-streams';
 * import { Kvm, RamBlocks } from 'dma-streams/binding';
 * import { KvmTarget } from 'dma-streams/targets';
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * using memory = new RamBlocks();
 * await using manager = new RegionManager({ vaMapper: memory });
 * await manager.attach(new KvmTarget(vm));
 *
 * await manager.addRam({ name: 'ram', range: MemoryRange.of(0, 0x10000), backing: 'private' });
 *
 * memory.write(0x1000n, Buffer.from([0xf4])); // hlt
 * using vcpu = vm.createVcpu(0);
 * vcpu.setUpRealMode({ entry: 0x1000 });
 * console.log((await vcpu.run()).kind); // halt
 * ```
 */
export class KvmVm implements Disposable {
  /** The number of memory slots that the VM can have (`KVM_CAP_NR_MEMSLOTS`). */
  readonly slots: number;
  #vm: VmHandle | undefined;

  private constructor(pass: symbol, vm: VmHandle, slots: number) {
    checkPass(pass, KvmVm);
    this.#vm = vm;
    this.slots = slots;
  }

  /**
   * A VM that other code of this process has created. The descriptor is duplicated: the caller keeps its own, and closes it.
   *
   * @throws DmaError `EBADF` if it is not open; `ENOTTY` if it is not the descriptor of a VM; TypeError if it is not a descriptor
   */
  static from(fd: number): KvmVm {
    checkFd(fd, 'fd');
    const vm = native().kvmVmFrom(fd);
    if (vm === ERRNO.ENOTTY) {
      const hint = 'Give KvmVm.from what KVM_CREATE_VM has returned.';
      throw kvmError(vm, `descriptor ${fd} is not one of a VM`, 'KVM_CHECK_EXTENSION', hint);
    }
    if (typeof vm === 'number') {
      throw systemError(vm, { what: `cannot duplicate descriptor ${fd}`, syscall: 'fcntl' });
    }
    return KvmVm.ofHandle(vm);
  }

  /** @internal */
  static ofHandle(vm: VmHandle): KvmVm {
    return new KvmVm(PASS, vm, native().kvmVmCheckExtension(vm, KVM_CAP_NR_MEMSLOTS));
  }

  /**
   * Returns what `KVM_CHECK_EXTENSION` answers for this VM.
   *
   * @param extension the number of a `KVM_CAP_…`
   * @throws DmaError `ERR_CLOSED`; TypeError or RangeError if `extension` is not an integer in [0, 2^31)
   */
  checkExtension(extension: number): number {
    checkInteger(extension, 'extension', 0, 0x8000_0000);
    return this.#call('cannot query the VM', 'KVM_CHECK_EXTENSION', (vm) =>
      native().kvmVmCheckExtension(vm, extension),
    );
  }

  /**
   * A table of memory slots of this VM, with slot numbers of its own.
   *
   * All tables of one `KvmVm` share the slot numbers: none uses a slot of another. Slots that other code has set are not known: leave their
   * numbers out by `first` and `count`.
   *
   * @throws DmaError `ERR_CLOSED`; TypeError or RangeError if an option is invalid
   */
  memorySlots(options: KvmSlotsOptions = {}): KvmSlots {
    return KvmSlots.create(this.#open(), this.slots, options, () => this.#vm !== undefined);
  }

  /**
   * Creates a vCPU, in the state that a processor has after a reset.
   *
   * @param id an integer from 0; `KVM_CAP_MAX_VCPU_ID` limits it. An id cannot be used again in a VM, also after its vCPU was closed
   * @throws DmaError `EEXIST` if the VM has had one with this id; `EINVAL` if the id is too large; `ENOMEM`; `ERR_CLOSED`; TypeError or
   * RangeError if `id` is not an integer in [0, 2^31)
   */
  createVcpu(id: number): KvmVcpu {
    checkInteger(id, 'id', 0, 0x8000_0000);
    const vm = this.#open();
    const vcpu = native().kvmVcpuCreate(vm, id, vcpuRunSize());
    if (typeof vcpu === 'number') {
      throw kvmError(vcpu, `cannot create vCPU ${id}`, 'KVM_CREATE_VCPU');
    }
    return KvmVcpu.ofHandle(vcpu, id);
  }

  /**
   * Creates interrupt controllers in the kernel, which interrupts by eventfd need. Only before the first vCPU. A vCPU that halts then waits
   * for an interrupt in the kernel: its run does not end with `halt`.
   *
   * @throws DmaError `EEXIST` if there are some; `EINVAL` if there is a vCPU; `ERR_CLOSED`
   */
  createIrqChip(): void {
    this.#call('cannot create interrupt controllers', 'KVM_CREATE_IRQCHIP', (vm) => native().kvmVmCreateIrqchip(vm));
  }

  /**
   * Connects an eventfd to an interrupt line: each signal of the eventfd raises and lowers it (`KVM_IRQFD`). The kernel keeps the eventfd.
   *
   * @param fd an eventfd; the caller keeps it
   * @param gsi number of the interrupt line
   * @throws DmaError `EBADF` or `EINVAL` if `fd` is not an eventfd; `EBUSY` if it is connected already; `EINVAL` without
   * {@link KvmVm.createIrqChip}; `ERR_CLOSED`
   */
  connectInterrupt(fd: number, gsi: number): void {
    this.#irqfd(fd, gsi, true);
  }

  /** Ends what {@link KvmVm.connectInterrupt} has begun. @throws DmaError as there */
  disconnectInterrupt(fd: number, gsi: number): void {
    this.#irqfd(fd, gsi, false);
  }

  /**
   * Signals an eventfd when the guest writes to an address or a port, in the kernel, without an exit (`KVM_IOEVENTFD`).
   *
   * @param fd an eventfd; the caller keeps it
   * @throws DmaError `EBADF` or `EINVAL` if `fd` is not an eventfd, or `event` is impossible; `EEXIST` if there is one for the same writes;
   * `ERR_CLOSED`; TypeError or RangeError if an argument is of the wrong type
   */
  connectWrites(fd: number, event: KvmIoEvent): void {
    this.#ioeventfd(fd, event, true);
  }

  /** Ends what {@link KvmVm.connectWrites} has begun. @throws DmaError `ENOENT` if there is nothing of it; as there */
  disconnectWrites(fd: number, event: KvmIoEvent): void {
    this.#ioeventfd(fd, event, false);
  }

  /**
   * Deletes the memory slots that were set through this object, and closes its descriptor. vCPUs stay until they are closed: one that still
   * runs finds no memory. A duplicate elsewhere keeps the VM, too. Calling it again has no effect.
   */
  close(): void {
    const vm = this.#vm;
    this.#vm = undefined;
    if (vm !== undefined) {
      native().kvmVmClose(vm);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #irqfd(fd: number, gsi: number, assign: boolean): void {
    checkFd(fd, 'fd');
    checkInteger(gsi, 'gsi', 0, 0x1_0000_0000);
    const what = `cannot ${assign ? 'connect' : 'disconnect'} descriptor ${fd} and interrupt ${gsi}`;
    this.#call(what, 'KVM_IRQFD', (vm) => native().kvmVmIrqfd(vm, fd, gsi, assign));
  }

  #ioeventfd(fd: number, event: KvmIoEvent, assign: boolean): void {
    checkFd(fd, 'fd');
    const {
      address: given,
      port = false,
      length,
      match,
    } = checkOptions(event, { address: true, port: true, length: true, match: true }, 'an event');
    const address = toBytes(given, 'address');
    checkInteger(length, 'length', 0, 9);
    checkSwitch(port, 'port');
    if (match !== undefined) {
      checkU64(match, 'match');
    }
    const what = `cannot ${assign ? 'connect' : 'disconnect'} descriptor ${fd} and writes to 0x${address.toString(16)}`;
    this.#call(what, 'KVM_IOEVENTFD', (vm) =>
      native().kvmVmIoeventfd(vm, address, length, fd, port, match !== undefined, match ?? 0n, assign),
    );
  }

  #call(what: string, request: string, call: (vm: VmHandle) => number): number {
    const result = call(this.#open());
    if (result < 0) {
      throw kvmError(result, what, request);
    }
    return result;
  }

  #open(): VmHandle {
    if (this.#vm === undefined) {
      throw closedError('this VM');
    }
    return this.#vm;
  }

  static {
    madeBy(this, 'kvm.createVm or KvmVm.from');
    printable(this, (vm) => ({ slots: vm.slots, closed: vm.#vm === undefined }));
  }
}
