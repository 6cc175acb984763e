import { setImmediate as nextTurn } from 'node:timers/promises';
import { ERRNO, madeBy, printable } from '../../streams/internal.js';
import type { DmaError } from '../../streams/index.js';
import { checkBytes } from '../checks.js';
import { checkPass, PASS } from '../constructor-pass.js';
import { closedError, systemError } from '../errors.js';
import { native } from '../native.js';
import type { VcpuHandle } from '../native.js';
import { longMode, realMode, type KvmLongMode, type KvmRealMode } from './cpu-modes.js';
import { kvmError, withKvm } from './kvm-device.js';
import { EXIT_DATA, EXIT_FIELDS, hasFields, toExit, type KvmExit } from './kvm-exit.js';
import {
  GENERAL_COUNT,
  putRegisters,
  putSpecialRegisters,
  SPECIAL_COUNT,
  toRegisters,
  toSpecialRegisters,
  type KvmRegisters,
  type KvmSpecialRegisters,
} from './registers.js';

const { EAGAIN, EBADF, EBUSY, EFAULT, EINVAL, EOPNOTSUPP } = ERRNO;

const NO_ANSWER = new Uint8Array(0);

/**
 * After so many runs, other work of the event loop gets its turn. Node.js handles up to 1,000 exits in one turn if each comes before the code
 * that started its run has returned. A turn takes 2 µs; 32 exits and their handlers take less than 2 ms.
 */
const RUNS_IN_A_TURN = 32;

/**
 * A vCPU of a VM. Made by {@link KvmVm.createVcpu}. Registers are those of x86-64.
 *
 * It runs on a thread of its own, which is made for the first run and ends when the vCPU is closed, or with the JavaScript thread. Until the
 * promise of `run` settles, registers cannot be accessed (`EBUSY`).
 *
 * After an exit for a read the instruction has not ended: it ends in the next run, which brings the answer. Registers that are set before
 * that may be overwritten by its result.
 *
 * @example
 * ```ts
 * import type { KvmVcpu } from 'dma-streams/binding';
 *
 * async function runGuest(vcpu: KvmVcpu): Promise<void> {
 *   let answer: Uint8Array | undefined;
 *   for (;;) {
 *     const exit = await vcpu.run(answer);
 *     answer = undefined;
 *     if (exit.kind === 'io' && exit.direction === 'out') {
 *       process.stdout.write(exit.data);
 *     } else if (exit.kind === 'mmio' && exit.direction === 'read') {
 *       answer = Buffer.alloc(exit.length);
 *     } else {
 *       return;
 *     }
 *   }
 * }
 * console.log(typeof runGuest); // function
 * ```
 */
export class KvmVcpu implements Disposable {
  /** Its number in the VM, on x86 the number of its APIC. */
  readonly id: number;
  #vcpu: VcpuHandle | undefined;
  readonly #fields = new Float64Array(EXIT_FIELDS);
  readonly #data = Buffer.alloc(EXIT_DATA);
  #runs = 0;
  /** Whether the promise of a run that has ended waits for the next turn of the event loop. */
  #isWaiting = false;

  private constructor(pass: symbol, vcpu: VcpuHandle, id: number) {
    checkPass(pass, KvmVcpu);
    this.#vcpu = vcpu;
    this.id = id;
  }

  /** @internal */
  static ofHandle(vcpu: VcpuHandle, id: number): KvmVcpu {
    return new KvmVcpu(PASS, vcpu, id);
  }

  /** The general registers. @throws DmaError `EBUSY` during a run; `EOPNOTSUPP` on other processors than x86-64; `ERR_CLOSED` */
  get registers(): KvmRegisters {
    return toRegisters(this.#read(GENERAL_COUNT, 'KVM_GET_REGS', (vcpu, to) => native().kvmVcpuRegisters(vcpu, to)));
  }

  /** Sets the given general registers; the others stay. @throws DmaError as for `registers`; TypeError, RangeError */
  setRegisters(registers: Partial<KvmRegisters>): void {
    const numbers = this.#read(GENERAL_COUNT, 'KVM_GET_REGS', (vcpu, to) => native().kvmVcpuRegisters(vcpu, to));
    putRegisters(numbers, registers);
    this.#check(native().kvmVcpuSetRegisters(this.#open(), numbers), 'KVM_SET_REGS');
  }

  /** Segments, descriptor tables and control registers. @throws DmaError as for `registers` */
  get specialRegisters(): KvmSpecialRegisters {
    return toSpecialRegisters(
      this.#read(SPECIAL_COUNT, 'KVM_GET_SREGS', (vcpu, to) => native().kvmVcpuSpecialRegisters(vcpu, to)),
    );
  }

  /**
   * Sets the given special registers; the others stay.
   *
   * @throws DmaError as for `registers`, and `EINVAL` if the processor cannot be in this state: then nothing was set; TypeError, RangeError
   */
  setSpecialRegisters(registers: Partial<KvmSpecialRegisters>): void {
    const numbers = this.#read(SPECIAL_COUNT, 'KVM_GET_SREGS', (vcpu, to) =>
      native().kvmVcpuSpecialRegisters(vcpu, to),
    );
    putSpecialRegisters(numbers, registers);
    this.#check(native().kvmVcpuSetSpecialRegisters(this.#open(), numbers), 'KVM_SET_SREGS');
  }

  /** Sets all general registers, segments and control registers for real mode (16 bits). @throws as `setSpecialRegisters` */
  setUpRealMode(options: KvmRealMode): void {
    const { registers, special } = realMode(options);
    this.setSpecialRegisters(special);
    this.setRegisters(registers);
  }

  /**
   * Sets all general registers, segments and control registers for long mode (64 bits). Call {@link KvmVcpu.offerHostCpuid} first: a vCPU
   * whose `cpuid` does not report long mode refuses it.
   *
   * @throws as `setSpecialRegisters`
   */
  setUpLongMode(options: KvmLongMode): void {
    const { registers, special } = longMode(options);
    this.setSpecialRegisters(special);
    this.setRegisters(registers);
  }

  /**
   * Lets the guest's `cpuid` report everything that KVM supports on this processor. Without it, a guest finds no features.
   *
   * @throws DmaError as for `registers`; those of opening `/dev/kvm`
   */
  offerHostCpuid(): void {
    const vcpu = this.#open();
    this.#check(
      withKvm((kvm) => native().kvmVcpuOfferHost(vcpu, kvm)),
      'KVM_SET_CPUID2',
    );
  }

  /**
   * Runs the guest until its next exit. An open promise keeps the process alive.
   *
   * After every 32nd run, the promise settles in a later turn of the event loop: a guest with many exits does not keep timers and other
   * events of this thread waiting.
   *
   * @param answer what the guest reads, after an exit with the direction `'in'` or `'read'`. Missing bytes are 0xff, as on a bus without a
   * device; otherwise it is ignored
   * @throws DmaError `EFAULT` if the guest accesses a slot whose memory is not there: it was released, protected, or is beyond the end of its
   * file; `EBUSY` during a run; `EAGAIN` without another thread; `ERR_CLOSED`; TypeError. All by the promise
   */
  async run(answer: Uint8Array = NO_ANSWER): Promise<KvmExit> {
    checkBytes(answer, 'answer');
    const vcpu = this.#open();
    const started = this.#isWaiting ? EBUSY : native().kvmVcpuRun(vcpu, answer);
    if (typeof started === 'number') {
      throw this.#error(started, started === EAGAIN ? 'pthread_create' : 'KVM_RUN');
    }
    const exit = await started;
    if (exit < 0) {
      throw this.#error(exit, 'KVM_RUN');
    }
    if (hasFields(exit)) {
      this.#check(native().kvmVcpuExit(vcpu, this.#fields, this.#data), 'KVM_RUN');
    }
    const record = toExit(exit, this.#fields, this.#data);
    this.#runs += 1;
    if (this.#runs % RUNS_IN_A_TURN === 0) {
      this.#isWaiting = true;
      await nextTurn();
      this.#isWaiting = false;
    }
    return record;
  }

  /**
   * Ends the run that is going on: its promise resolves to `'interrupted'`, or to an exit that came first. The guest continues with the next
   * run.
   *
   * The vCPU's thread is sent SIGURG, and `immediate_exit` is set for a run that has not reached the kernel yet. The signal is blocked in all
   * other code of that thread and needs no handler.
   *
   * @returns whether a run was going on. Otherwise nothing happens: the next run is not interrupted
   * @throws DmaError `ERR_CLOSED`
   */
  interrupt(): boolean {
    return native().kvmVcpuInterrupt(this.#open()) === 1;
  }

  /** Ends the run that is going on, as `interrupt` does, and closes the vCPU. Calling it again has no effect. */
  close(): void {
    const vcpu = this.#vcpu;
    this.#vcpu = undefined;
    if (vcpu !== undefined) {
      native().kvmVcpuClose(vcpu);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(
    count: number,
    request: string,
    read: (vcpu: VcpuHandle, to: BigUint64Array) => number,
  ): BigUint64Array<ArrayBuffer> {
    const numbers = new BigUint64Array(count);
    this.#check(read(this.#open(), numbers), request);
    return numbers;
  }

  #check(result: number, request: string): void {
    if (result < 0) {
      throw this.#error(result, request);
    }
  }

  #error(errno: number, request: string): DmaError {
    const what = `${request === 'KVM_RUN' ? 'cannot run' : 'cannot access'} vCPU ${this.id}`;
    switch (errno) {
      case EBADF:
        return closedError(`vCPU ${this.id}`);
      case EBUSY:
        return kvmError(errno, what, request, 'It is running: wait for the promise of run; interrupt ends the run.');
      case EOPNOTSUPP:
        return kvmError(errno, what, request, 'Registers are supported on x86-64 only.');
      case EINVAL:
        return kvmError(
          errno,
          what,
          request,
          request === 'KVM_SET_SREGS'
            ? 'The processor cannot be in this state; for long mode, call offerHostCpuid before.'
            : undefined,
        );
      case EFAULT:
        return kvmError(
          errno,
          what,
          request,
          'The guest accessed a memory slot whose memory is not there: is its file as long as the mapping, and was the mapping released only after the slot was deleted?',
        );
      default:
        return request === 'pthread_create'
          ? systemError(errno, {
              what,
              syscall: request,
              hint: 'The process may have no more threads: see ulimit -u and TasksMax= of systemd.',
            })
          : kvmError(errno, what, request);
    }
  }

  #open(): VcpuHandle {
    if (this.#vcpu === undefined) {
      throw closedError(`vCPU ${this.id}`);
    }
    return this.#vcpu;
  }

  static {
    madeBy(this, 'kvmVm.createVcpu');
    printable(this, (vcpu) => ({ id: vcpu.id, runs: vcpu.#runs, closed: vcpu.#vcpu === undefined }));
  }
}
