import type { DmaError } from '../../streams/index.js';
import { systemError } from '../errors.js';
import { ERRNO } from '../../streams/internal.js';
import { currentUser } from '../iommu/current-user.js';
import { openHint } from '../iommu/open-hints.js';
import { native } from '../native.js';
import type { KvmHandle } from '../native.js';

const { EACCES } = ERRNO;
const PATH = '/dev/kvm';

/** Properties of KVM on this machine, which never change. Each is queried once. */
let runSize: number | undefined;
let addressBits: number | undefined;

/** Opens `/dev/kvm`. @throws DmaError of open(2), with a hint */
export function openKvm(): KvmHandle {
  const kvm = native().kvmOpen();
  if (typeof kvm === 'number') {
    throw systemError(kvm, {
      what: `cannot open ${PATH}`,
      syscall: 'open',
      hint: kvmOpenHint(kvm),
    });
  }
  return kvm;
}

/** What to do when `/dev/kvm` cannot be opened. */
function kvmOpenHint(errno: number): string | undefined {
  if (errno === EACCES && process.geteuid?.() !== 0) {
    return `As root: usermod -aG kvm ${currentUser()}, then log in again: udev gives ${PATH} to this group. Lastingly without it: a udev rule KERNEL=="kvm", OWNER="${currentUser()}".`;
  }
  const hint = openHint(errno, PATH, 'kvm-amd (or kvm-intel)', 'CONFIG_KVM');
  return hint?.includes('modprobe') === true
    ? `${hint} If the module does not load, the processor has no virtualization, or the firmware has disabled it: grep -Ec "svm|vmx" /proc/cpuinfo is then 0.`
    : hint;
}

/** Calls `use` with an open `/dev/kvm`, which is then closed. @throws DmaError of open(2), with a hint */
export function withKvm<T>(use: (kvm: KvmHandle) => T): T {
  const kvm = openKvm();
  try {
    return use(kvm);
  } finally {
    native().kvmClose(kvm);
  }
}

/** The number of bytes of a vCPU's descriptor to map. @throws DmaError */
export function vcpuRunSize(): number {
  runSize ??= withKvm((kvm) => checked(native().kvmRunSize(kvm), 'KVM_GET_VCPU_MMAP_SIZE'));
  return runSize;
}

/** The number of bits of the guest physical addresses that memory slots can have. @throws DmaError */
export function guestAddressBits(): number {
  addressBits ??= withKvm((kvm) => checked(native().kvmAddressBits(kvm), 'KVM_CREATE_VM'));
  return addressBits;
}

function checked(answer: number, request: string): number {
  if (answer < 0) {
    throw kvmError(answer, 'cannot query KVM', request);
  }
  return answer;
}

/** The error of an `ioctl` of KVM. */
export function kvmError(errno: number, what: string, request: string, hint?: string): DmaError {
  return systemError(errno, { what, syscall: 'ioctl', request, hint });
}
