import type { KernelErrorCode } from './errno.js';

/** The error codes of this library, with their meanings. */
export const LIBRARY_ERRORS = {
  ERR_ADDON_MISSING: 'the native addon is not built for this machine',
  ERR_ALREADY_ASSIGNED: 'the device is already assigned',
  ERR_ALREADY_ATTACHED: 'the target is already attached to this or another manager',
  ERR_BAD_OUTCOME: 'a branch emitted a value that is not an outcome, or an outcome without a change set',
  ERR_BEYOND_ADDRESS_SPACE: 'a mapping is above the end of what the VA mapper can map',
  ERR_BEYOND_FILE: 'a mapping ends after the end of its file',
  ERR_BRANCH_ENDED: 'a branch has completed, failed or been detached, and accepts no more change sets',
  ERR_CLOSED: 'the object has been closed',
  ERR_CONTRACT: 'a call breached the contract of DmaTarget or VaMapper',
  ERR_DMA_FAULT: 'a device accessed an address that is not mapped, or wrote to a read-only mapping',
  ERR_INVALID_ARG_VALUE: 'an argument has a value that cannot be used with the options of the object',
  ERR_INVALID_HOST_VA: 'the host virtual address was not made by RamBlocks or an AddressSpace, or has been released',
  ERR_MAPPING_CUT: 'the range contains only a part of a mapping',
  ERR_MAPPING_OVERLAP: 'the mapping overlaps another mapping of its region',
  ERR_NO_FD: 'the target needs memory with a file descriptor, and this memory has none',
  ERR_NO_VA: 'the target needs a host virtual address, and the map has none',
  ERR_NO_VA_MAPPER: 'host virtual addresses are needed, and the manager has no VA mapper',
  ERR_OUT_OF_REGION: 'the range is not inside its region',
  ERR_PRIVATE_MEMORY: 'the addresses belong to private memory, or private memory would be covered',
  ERR_RANGE_STUCK: 'an earlier unmap of this range failed, and the target still has it mapped',
  ERR_REGION_OVERLAP: 'two regions overlap, and neither contains the other at a higher priority',
  ERR_REGION_REMOVED: 'the region has been removed, or belongs to another manager',
  ERR_TARGET_DIFFERS: 'the number of maps of a target differs from its ledger',
  ERR_TARGET_FAILED: 'a target failed with an error that has no code',
  ERR_TARGET_GONE: 'the target or its peer no longer exists, and holds nothing; or its attachment was abandoned',
  ERR_TARGET_PENDING: 'a call of the target has not ended yet',
  ERR_TARGET_SLOW: 'a target, or an operator of its branch, has not answered for some time, or has answered after it',
  ERR_TOO_MANY_PIECES: 'the granule of a mapping divides it into more pieces than a target can hold maps',
  ERR_TRANSACTION_ENDED: 'the edit was used after its transaction had ended',
  ERR_VA_IN_USE: 'the host addresses are used by another mapping',
  ERR_VA_MAPPER: 'the VA mapper failed with an error that has no code, or returned no address',
  ERR_VA_MAPPER_IN_USE: 'the VA mapper belongs to another manager',
  ERR_VA_RELEASE: 'the VA mapper failed to release an address, with an error that has no code',
} as const;

/** An error code of this library, for example `'ERR_RANGE_STUCK'`. */
export type LibraryErrorCode = keyof typeof LIBRARY_ERRORS;

/**
 * The codes of the errors that this library throws: its own (`'ERR_RANGE_STUCK'`), those of the kernel (`'ENOMEM'`), and the code of an abort.
 * Custom targets may throw errors with other codes.
 *
 * @example
 * ```ts
 * import type { DmaError, DmaErrorCode } from 'dma-streams';
 *
 * function isTemporary({ code }: DmaError): boolean {
 *   const temporary: readonly (DmaErrorCode | string)[] = ['EAGAIN', 'EBUSY', 'ERR_TARGET_PENDING'];
 *   return temporary.includes(code);
 * }
 * ```
 */
export type DmaErrorCode = LibraryErrorCode | KernelErrorCode | 'ABORT_ERR';
