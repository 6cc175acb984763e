import type { KernelErrorCode } from './errno.js';

/** The error codes of this library: what each means, and what to do. `docs/troubleshooting.md` is made from this list. */
export const LIBRARY_ERRORS = {
  ERR_ADDON_MISSING: {
    meaning: 'there is no native addon for this processor and C library',
    cure: 'build it where the package is installed, with a compiler: the hint has the command',
  },
  ERR_ADDON_UNUSABLE: {
    meaning: 'the native addon is damaged, of another version or processor, or cannot be linked',
    cure: 'install the package again, or build the addon there: the hint has the command',
  },
  ERR_ALREADY_ASSIGNED: {
    meaning: 'the device is already assigned',
    cure: 'use the AssignedDevice that add() returned, or remove it first',
  },
  ERR_ALREADY_ATTACHED: {
    meaning: 'the target is already attached to this or another manager',
    cure: 'detach it there first, retry what is stuck, or make a second target',
  },
  ERR_BAD_OUTCOME: {
    meaning: 'a branch emitted a value that is not an outcome, or an outcome without a change set',
    cure: 'emit one outcome for each change set, and nothing else: end the branch in toTarget() or fanOut()',
  },
  ERR_BEYOND_ADDRESS_SPACE: {
    meaning: 'a mapping is above the end of what the VA mapper can map',
    cure: 'use lower guest addresses, a larger AddressSpace, or RamBlocks',
  },
  ERR_BEYOND_FILE: {
    meaning: 'a mapping ends after the end of its file',
    cure: 'make the file longer, or the mapping shorter',
  },
  ERR_BRANCH_ENDED: {
    meaning: 'a branch has completed, failed or been detached, and accepts no more change sets',
    cure: 'attach a new branch; use filterMaps, withTimeout and retryMaps in place of filter, timeout and retry',
  },
  ERR_CLOSED: {
    meaning: 'the object has been closed',
    cure: 'make a new one, and close it only when nothing uses it any more',
  },
  ERR_CONTRACT: {
    meaning: 'a call breached the contract of DmaTarget or VaMapper',
    cure: 'correct the caller; in a test, the history of the fake has the calls before it',
  },
  ERR_DMA_FAULT: {
    meaning: 'a device accessed an address that is not mapped, or wrote to a read-only mapping',
    cure: 'map the address, writable where devices write, before the device is started; or correct the address in the driver',
  },
  ERR_INVALID_ARG_VALUE: {
    meaning: 'an argument has a value that cannot be used with the options of the object',
    cure: 'change the argument or the option that the hint names',
  },
  ERR_INVALID_HOST_VA: {
    meaning: 'the host virtual address was not made by RamBlocks or an AddressSpace, or has been released',
    cure: 'pass on the object that ensureMapped() returned, and drop it at the unmap',
  },
  ERR_LINUX_ONLY: {
    meaning: 'what was called needs the native addon, which exists for Linux only',
    cure: 'use what works without it, which the hint names; or run the program on Linux',
  },
  ERR_MAPPING_CUT: {
    meaning: 'the range contains only a part of a mapping',
    cure: 'remove whole mappings, or give the mapping a granule and cut at multiples of it',
  },
  ERR_MAPPING_OVERLAP: {
    meaning: 'the mapping overlaps another mapping of its region',
    cure: 'remove the other mapping first; in one transaction the change is atomic',
  },
  ERR_NO_FD: {
    meaning: 'the target needs memory with a file descriptor, and this memory has none',
    cure: 'back the memory by a Memfd, or detach the target',
  },
  ERR_NO_VA: {
    meaning: 'the target needs a host virtual address, and the map has none',
    cure: 'give the manager a VA mapper, or put ensureMapped(vaMapper) before toTarget(target)',
  },
  ERR_NO_VA_MAPPER: {
    meaning: 'host virtual addresses are needed, and the manager has no VA mapper',
    cure: 'new RegionManager({ vaMapper: new RamBlocks() })',
  },
  ERR_OUT_OF_REGION: {
    meaning: 'the range is not inside its region',
    cure: 'give ranges relative to the start of the region, inside its length',
  },
  ERR_PRIVATE_MEMORY: {
    meaning: 'the addresses belong to private memory, or private memory would be covered',
    cure: 'remove the private memory first, in a separate command, or use a Memfd as its backing',
  },
  ERR_RANGE_STUCK: {
    meaning: 'an earlier unmap of this range failed, and the target still has it mapped',
    cure: 'remove the cause of the failed unmap, then call retryStuck() of the attachment; detach({ abandon: true }) gives the target up',
  },
  ERR_REGION_OVERLAP: {
    meaning: 'two regions overlap, and neither contains the other at a higher priority',
    cure: "divide one of the regions as the hint says, or make the manager with overlap: 'any'",
  },
  ERR_REGION_REMOVED: {
    meaning: 'the region has been removed, or belongs to another manager',
    cure: 'add a region again with addRegion(), at its own manager',
  },
  ERR_TARGET_DIFFERS: {
    meaning: 'the number of maps of a target differs from its ledger',
    cure: 'find what else maps in the same container; if nothing does, detach the target and attach it again',
  },
  ERR_TARGET_FAILED: {
    meaning: 'a target failed with an error that has no code',
    cure: 'see `cause`; a target of your own should throw a DmaError with a code and a hint',
  },
  ERR_TARGET_GONE: {
    meaning: 'the target or its peer no longer exists, and holds nothing; or its attachment was abandoned',
    cure: 'start or connect the peer again, and attach a new target: it gets all memory',
  },
  ERR_TARGET_PENDING: {
    meaning: 'a call of the target has not ended yet',
    cure: 'wait until the call has ended, then try again; detach({ abandon: true }) gives the target up',
  },
  ERR_TARGET_SLOW: {
    meaning: 'a target, or an operator of its branch, has not answered for some time, or has answered after it',
    cure: 'a warning, nothing has failed: find out what the target waits for; withTimeout() limits a wait, warnAfter changes when it is told',
  },
  ERR_TOO_MANY_PIECES: {
    meaning: 'the granule of a mapping divides it into more pieces than a target can hold maps',
    cure: 'use a larger granule',
  },
  ERR_TRANSACTION_ENDED: {
    meaning: 'the edit was used after its transaction had ended',
    cure: 'use `edit` only synchronously, inside the function that received it',
  },
  ERR_VA_IN_USE: {
    meaning: 'the host addresses are used by another mapping',
    cure: 'leave maps as they are in operators before ensureMapped(): each address has one mapping in a VA mapper',
  },
  ERR_VA_MAPPER: {
    meaning: 'the VA mapper failed with an error that has no code, or returned no address',
    cure: 'see `cause`; a VA mapper of your own returns { address: bigint }, or throws a DmaError with a code',
  },
  ERR_VA_MAPPER_IN_USE: {
    meaning: 'the VA mapper belongs to another manager',
    cure: 'close the other manager first, or make a second VA mapper',
  },
  ERR_VA_RELEASE: {
    meaning: 'the VA mapper failed to release an address, with an error that has no code',
    cure: 'see `cause`; a VA mapper of your own should throw a DmaError with a code and a hint',
  },
} as const satisfies Readonly<Record<`ERR_${string}`, { readonly meaning: string; readonly cure: string }>>;

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
