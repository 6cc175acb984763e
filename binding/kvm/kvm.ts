import { checkPass, PASS } from '../constructor-pass.js';
import { checkInteger } from '../checks.js';
import { closedError } from '../errors.js';
import { native } from '../native.js';
import type { KvmHandle } from '../native.js';
import { guestAddressBits, kvmError, openKvm } from './kvm-device.js';
import { KvmVm } from './kvm-vm.js';
import { madeBy, printable } from '../../streams/internal.js';

/**
 * The interface of KVM (`/dev/kvm`, `<linux/kvm.h>`). Made by `open`.
 *
 * @example
 * ```ts
 * import { Kvm } from 'dma-streams/binding';
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * console.log(vm.slots); // 32764
 * ```
 */
export class Kvm implements Disposable {
  #kvm: KvmHandle | undefined;

  private constructor(pass: symbol, kvm: KvmHandle) {
    checkPass(pass, Kvm);
    this.#kvm = kvm;
  }

  /**
   * Opens `/dev/kvm`.
   *
   * @throws DmaError `ENOENT` if the kernel has no KVM, or the processor no virtualization; `EACCES` without permission. The hint has the
   * commands that fix it
   */
  static open(): Kvm {
    return new Kvm(PASS, openKvm());
  }

  /**
   * Returns what `KVM_CHECK_EXTENSION` answers: 0 if the kernel does not have the extension, otherwise 1 or a number that the extension
   * defines.
   *
   * @param extension the number of a `KVM_CAP_…`
   * @throws DmaError `ERR_CLOSED`; TypeError or RangeError if `extension` is not an integer in [0, 2^31)
   */
  checkExtension(extension: number): number {
    checkInteger(extension, 'extension', 0, 0x8000_0000);
    const answer = native().kvmCheckExtension(this.#open(), extension);
    if (answer < 0) {
      throw kvmError(answer, `cannot query KVM for extension ${extension}`, 'KVM_CHECK_EXTENSION');
    }
    return answer;
  }

  /**
   * The number of bits of the guest physical addresses that memory slots can have. The kernel does not report it: it is found by trying, on
   * a VM of its own, once in a process.
   *
   * @throws DmaError `ERR_CLOSED`; those of {@link Kvm.createVm}
   */
  get addressBits(): number {
    this.#open();
    return guestAddressBits();
  }

  /** Creates a VM without memory and without vCPUs. @throws DmaError `ENOMEM`, `EMFILE`, `ERR_CLOSED` */
  createVm(): KvmVm {
    const vm = native().kvmCreateVm(this.#open());
    if (typeof vm === 'number') {
      throw kvmError(vm, 'cannot create a VM', 'KVM_CREATE_VM');
    }
    return KvmVm.ofHandle(vm);
  }

  /** Closes the descriptor. The VMs stay. Calling it again has no effect. */
  close(): void {
    const kvm = this.#kvm;
    this.#kvm = undefined;
    if (kvm !== undefined) {
      native().kvmClose(kvm);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): KvmHandle {
    if (this.#kvm === undefined) {
      throw closedError('this Kvm');
    }
    return this.#kvm;
  }

  static {
    madeBy(this, 'Kvm.open');
    printable(this, (kvm) => ({ closed: kvm.#kvm === undefined }));
  }
}
