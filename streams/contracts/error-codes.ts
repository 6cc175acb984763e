import type { KernelErrorCode } from './errno.js';

/** The codes that this library gives errors itself, with what each means. */
export const LIBRARY_ERRORS = {
  ERR_ADDON_MISSING: 'the native addon is not built for this machine',
  ERR_ALREADY_ASSIGNED: 'the device is assigned already',
  ERR_ALREADY_ATTACHED: 'the target is attached already, to this manager or to another one',
  ERR_BAD_OUTCOME: 'a branch answered with what is not an outcome, or unasked',
  ERR_BEYOND_ADDRESS_SPACE: 'a mapping lies above the end of the address space that was reserved',
  ERR_BEYOND_FILE: 'a mapping reaches beyond the end of its file',
  ERR_BRANCH_ENDED: 'a branch has completed, failed or been detached, and takes no more change sets',
  ERR_CLOSED: 'it has been closed',
  ERR_DMA_FAULT: 'the DMA of a device hit what is not mapped, or not for writing',
  ERR_INVALID_HOST_VA: 'the host virtual address was not given by an AddressSpace, or has been released',
  ERR_MAPPING_CUT: 'the range contains a part of a mapping',
  ERR_MAPPING_OVERLAP: 'the mapping overlaps another one of its region',
  ERR_NO_FD: 'the target needs memory with a file, and this has none',
  ERR_NO_VA: 'the target needs a host virtual address, and the map has none',
  ERR_NO_VA_MAPPER: 'something needs host virtual addresses, and the manager has no VA mapper',
  ERR_OUT_OF_REGION: 'the range reaches out of its region',
  ERR_PRIVATE_MEMORY: 'private memory owns these addresses, or would be covered',
  ERR_RANGE_STUCK: 'an earlier unmap of this range failed, and the target still holds it',
  ERR_REGION_OVERLAP: 'two regions overlap, and neither contains the other at a higher priority',
  ERR_REGION_REMOVED: 'the region has been removed, or belongs to another manager',
  ERR_TARGET_DIFFERS: 'a target holds another number of mappings than its ledger',
  ERR_TARGET_FAILED: 'a target threw or rejected with what has no code',
  ERR_TARGET_PENDING: 'a call of the target has not come back',
  ERR_TRANSACTION_ENDED: 'the edit was used after its transaction had ended',
  ERR_VA_IN_USE: 'the host addresses are those of another mapping',
  ERR_VA_MAPPER: 'the VA mapper failed without a code, or gave no address',
  ERR_VA_MAPPER_IN_USE: 'the VA mapper belongs to another manager',
  ERR_VA_RELEASE: 'the VA mapper failed to release an address, without a code',
} as const;

/** A code that this library gives errors itself: `'ERR_RANGE_STUCK'`. */
export type LibraryErrorCode = keyof typeof LIBRARY_ERRORS;

/**
 * The code of an error of this library: its own (`'ERR_RANGE_STUCK'`), or that of the kernel (`'ENOMEM'`). A target of your own may throw any other.
 *
 * ```ts
 * function isTemporary({ code }: DmaError): boolean {
 *   const temporary: readonly (DmaErrorCode | string)[] = ['EAGAIN', 'EBUSY', 'ERR_TARGET_PENDING'];
 *   return temporary.includes(code);
 * }
 * ```
 */
export type DmaErrorCode = LibraryErrorCode | KernelErrorCode | 'ABORT_ERR';
