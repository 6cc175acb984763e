import { guestAddressBits } from '../../binding/kvm/kvm-device.js';
import type { KvmSlots, KvmVm } from '../../binding/index.js';
import { DmaError, type DmaMapRequest, type MemoryRange } from '../../streams/index.js';
import { ERRNO, PAGE_SHIFT } from '../../streams/internal.js';

const { EEXIST, EFAULT, EINVAL, EIO, ENOMEM, ENOSPC } = ERRNO;

/** From <linux/kvm.h>. */
const KVM_CAP_READONLY_MEM = 81;
/** KVM_MEM_MAX_NR_PAGES of the kernel. */
const LONGEST_SLOT = 2 ** 31 - 1;

const REQUEST = 'KVM_SET_USER_MEMORY_REGION';

/** What the memory slots of a VM can hold. */
export interface GuestLimits {
  /** The page after the last one that a slot can have; `Infinity` if it is unknown. */
  readonly endPage: number;
  /** Whether slots can be read-only for the guest. */
  readonly readOnly: boolean;
}

/** Queries the limits of a VM. The address limit cannot be found if this process may not open `/dev/kvm`. @throws DmaError `ERR_CLOSED` */
export function guestLimits(vm: KvmVm): GuestLimits {
  const readOnly = vm.checkExtension(KVM_CAP_READONLY_MEM) > 0;
  try {
    return { endPage: 2 ** (guestAddressBits() - Number(PAGE_SHIFT)), readOnly };
  } catch {
    return { endPage: Infinity, readOnly };
  }
}

/** Why a slot cannot hold a map, and how to fix it. */
interface Misfit {
  readonly why: string;
  readonly cure: string;
}

/** Finds the first request of a set that the slots cannot hold. Device memory takes slots, but is not refused here. */
export function slotMisfit(
  requests: readonly DmaMapRequest[],
  target: string,
  slots: KvmSlots,
  limits: GuestLimits,
): DmaError | undefined {
  const { free } = slots;
  let taken = 0;
  for (const request of requests) {
    if (request.type === 'device') {
      continue;
    }
    const misfit = misfitOf(request, limits);
    if (misfit !== undefined) {
      return refusal('EINVAL', request, target, misfit);
    }
    taken += 1;
    if (taken > free) {
      const why = `it is number ${taken} of a set, and ${free} memory slots are free`;
      return refusal('ENOSPC', request, target, { why, cure: noSlotHint(slots) });
    }
  }
  return undefined;
}

/** The hint of a map that failed. */
export function slotHint(errno: number, request: DmaMapRequest, slots: KvmSlots, limits: () => GuestLimits): string {
  const { range } = request;
  switch (errno) {
    case EEXIST: {
      const inTheWay = slots.list().find((slot) => slot.range.overlaps(range));
      return inTheWay === undefined
        ? 'other code has set a memory slot of this VM there: delete it first'
        : `memory slot ${inTheWay.number} is there (${inTheWay.range.toString()}): unmap it first`;
    }
    case ENOSPC:
      return noSlotHint(slots);
    case EINVAL: {
      const misfit = misfitOf(request, limits());
      return misfit === undefined
        ? `other code may have set a memory slot of this VM with a number from ${slots.first} to ${slots.first + slots.count - 1}: give KvmTarget other numbers by firstSlot and slots`
        : `${misfit.why}; ${misfit.cure}`;
    }
    case EFAULT:
      return request.writable
        ? 'the memory is not mapped in this process, or not for writing: was it released before the map?'
        : 'the memory is not mapped in this process: was it released before the map?';
    case ENOMEM:
      return 'the host is short of memory for the tables of KVM, some 2 MiB for 1 GiB: see free -m, and memory.max of its cgroup';
    case EIO:
      return 'only the process that created a VM can set its memory slots; or the VM has failed';
    default:
      return `see the error table in docs/kernel.md for ${REQUEST}`;
  }
}

function misfitOf({ range, writable }: DmaMapRequest, { endPage, readOnly }: GuestLimits): Misfit | undefined {
  if (range.endPage > endPage) {
    const end = `0x${(BigInt(endPage) << PAGE_SHIFT).toString(16)}`;
    return { why: `it reaches above ${end}, where guest physical addresses end`, cure: `put the memory below ${end}` };
  }
  if (pagesOf(range) > LONGEST_SLOT) {
    return {
      why: 'it is longer than a memory slot can be, which is 2^31 - 1 pages (8 TiB)',
      cure: 'split the mapping, or give it a granule',
    };
  }
  if (!writable && !readOnly) {
    return { why: 'this kernel has no read-only memory slots', cure: 'map it writable' };
  }
  return undefined;
}

function pagesOf({ startPage, endPage }: MemoryRange): number {
  return endPage - startPage;
}

function noSlotHint({ first, count, free }: KvmSlots): string {
  return (
    `of the ${count} slot numbers from ${first} on, ${free} are free: use fewer and larger mappings or granules, ` +
    'or give KvmTarget more slots'
  );
}

function refusal(code: 'EINVAL' | 'ENOSPC', request: DmaMapRequest, target: string, { why, cure }: Misfit): DmaError {
  const { range, region } = request;
  return new DmaError(`${range.toString()} cannot be mapped for the guest: ${why}`, {
    code,
    syscall: 'ioctl',
    request: REQUEST,
    target,
    region,
    range,
    hint: cure,
  });
}
