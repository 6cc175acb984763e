import type { KvmHandle, SlotsHandle, VcpuHandle, VmHandle } from './native-handles.js';
import type { RowRunner, Runner } from './native-runners.js';

/** The part of the native interface that concerns KVM. */
export interface NativeKvm {
  kvmOpen(): KvmHandle | number;
  /** The answer of KVM_CHECK_EXTENSION: 0 if the kernel does not have the extension. */
  kvmCheckExtension(kvm: KvmHandle, extension: number): number;
  kvmCreateVm(kvm: KvmHandle): VmHandle | number;
  /** Number of bits of guest physical addresses that memory slots can have, found by trying on a VM of its own. */
  kvmAddressBits(kvm: KvmHandle): number;
  /** Number of bytes of a vCPU's descriptor to map. */
  kvmRunSize(kvm: KvmHandle): number;
  kvmClose(kvm: KvmHandle): number;

  /** Duplicates a descriptor of a VM. */
  kvmVmFrom(fd: number): VmHandle | number;
  kvmVmCheckExtension(vm: VmHandle, extension: number): number;
  kvmVmCreateIrqchip(vm: VmHandle): number;
  kvmVmIrqfd(vm: VmHandle, fd: number, gsi: number, assign: boolean): number;
  kvmVmIoeventfd(
    vm: VmHandle,
    address: bigint,
    length: number,
    fd: number,
    isPort: boolean,
    hasMatch: boolean,
    match: bigint,
    assign: boolean,
  ): number;
  /** Deletes its memory slots, too. */
  kvmVmClose(vm: VmHandle): number;

  /** A table of memory slots with numbers from `first` on. */
  kvmSlotsCreate(vm: VmHandle, first: number, count: number, logDirtyPages: boolean): SlotsHandle | number;
  /** Functions that run rows of a `DmaBatch` on the memory slots: they set and delete slots. -ENOSPC if no number is free. */
  kvmSlotsRunner(slots: SlotsHandle): Runner;
  kvmSlotsRowRunner(slots: SlotsHandle): RowRunner;
  /** The number of the slot that contains the address. */
  kvmSlotsFind(slots: SlotsHandle, gpa: bigint): number;
  /** Three numbers for each slot, ascending: first page, page after the last, slot number. */
  kvmSlotsList(slots: SlotsHandle): Float64Array;
  /** Number of free slot numbers. */
  kvmSlotsFree(slots: SlotsHandle): number;
  kvmSlotsLogDirtyPages(slots: SlotsHandle, on: boolean): number;
  /** The dirty log of the slot that starts at `gpa`, one bit for each page; it is then empty. */
  kvmSlotsTakeDirtyLog(slots: SlotsHandle, gpa: bigint): Uint8Array<ArrayBuffer> | number;

  kvmVcpuCreate(vm: VmHandle, id: number, runSize: number): VcpuHandle | number;
  /** The registers, as `binding/src/kvm/registers.h` lists them. All register functions: -EBUSY while the vCPU runs. */
  kvmVcpuRegisters(vcpu: VcpuHandle, to: BigUint64Array): number;
  kvmVcpuSetRegisters(vcpu: VcpuHandle, from: BigUint64Array): number;
  kvmVcpuSpecialRegisters(vcpu: VcpuHandle, to: BigUint64Array): number;
  kvmVcpuSetSpecialRegisters(vcpu: VcpuHandle, from: BigUint64Array): number;
  /** Gives the guest the CPUID of everything that KVM supports on this processor. */
  kvmVcpuOfferHost(vcpu: VcpuHandle, kvm: KvmHandle): number;
  /**
   * Runs the vCPU on its thread. `answer`: the bytes for the read of the last exit; the rest are 0xff. The promise resolves to the number of
   * the exit (KVM_EXIT_INTR if it was interrupted or closed), or to a negative errno. It never rejects.
   */
  kvmVcpuRun(vcpu: VcpuHandle, answer: Uint8Array): Promise<number> | number;
  /** The fields and the data of the last exit, as `binding/src/kvm/vcpu_functions.cc` lists them. */
  kvmVcpuExit(vcpu: VcpuHandle, to: Float64Array, data: Uint8Array): number;
  /** 1 if a run was going on, otherwise 0. */
  kvmVcpuInterrupt(vcpu: VcpuHandle): number;
  kvmVcpuClose(vcpu: VcpuHandle): number;
}
