import { native } from '../../../binding/native.js';
import type { KvmHandle, SlotsHandle, VcpuHandle, VmHandle } from '../../../binding/native.js';

/** Handles of the native functions of KVM. */
export interface KvmHandles {
  readonly kvm: KvmHandle;
  readonly vm: VmHandle;
  readonly closedVm: VmHandle;
  readonly slots: SlotsHandle;
  readonly vcpu: VcpuHandle;
  readonly closedVcpu: VcpuHandle;
}

/** `undefined` where there is no KVM. */
export function kvmHandles(): KvmHandles | undefined {
  const addon = native();
  const kvm = addon.kvmOpen();
  if (typeof kvm === 'number') {
    return undefined;
  }
  const size = addon.kvmRunSize(kvm);
  const vm = addon.kvmCreateVm(kvm) as VmHandle;
  const closedVm = addon.kvmCreateVm(kvm) as VmHandle;
  addon.kvmVmClose(closedVm);
  const slots = addon.kvmSlotsCreate(vm, 0, 16, false) as SlotsHandle;
  const vcpu = addon.kvmVcpuCreate(vm, 0, size) as VcpuHandle;
  const closedVcpu = addon.kvmVcpuCreate(vm, 1, size) as VcpuHandle;
  addon.kvmVcpuClose(closedVcpu);
  return { kvm, vm, closedVm, slots, vcpu, closedVcpu };
}
