// Without it, the declarations of a program for an older target would not know what 'using' takes.
/// <reference lib="esnext.disposable" preserve="true" />

/**
 * Regions of guest memory, the manager that turns their changes into change sets, and the operators and contracts of targets. It needs nothing but
 * RxJS: no addon, no Node.js.
 *
 * @module dma-streams
 */
export { MemoryRange } from './ranges/memory-range.js';
export type {
  Backing,
  BackingParams,
  FileBacking,
  FileBackingParams,
  Mappable,
  MappingType,
} from './contracts/backing.js';
export type {
  MapParams,
  MappingParams,
  RamParams,
  Region,
  RegionEdit,
  RegionEvent,
  RegionParams,
} from './contracts/region.js';
export type {
  ChangeSet,
  MapChange,
  MemoryMapSnapshot,
  Outcome,
  ShareableRegion,
  UnmapChange,
} from './contracts/change-set.js';
export type { BatchStop, DmaMapRequest, DmaTarget } from './contracts/dma-target.js';
export type { HostVa } from './contracts/host-va.js';
export type { ReleaseFailure, VaMapper } from './contracts/va-mapper.js';
export { DmaFault } from './contracts/dma-fault.js';
export { DmaError, DmaMapError, DmaUnmapError, RegionOverlapError } from './contracts/errors.js';
export type { DmaErrorCode, LibraryErrorCode } from './contracts/error-codes.js';
export type { KernelErrorCode } from './contracts/errno.js';
export type { DmaErrorDetails } from './contracts/error-details.js';
export type { Aftermath, TargetRange } from './contracts/errors.js';
export { RegionManager } from './manager/region-manager.js';
export type { RegionManagerOptions } from './manager/region-manager-options.js';
export type { LedgerEntry } from './contracts/ledger-entry.js';
export type { Attachment, AttachOptions, DetachOptions } from './attachments/attachment.js';
export type { Finding, HealOptions } from './contracts/finding.js';
export type { TargetBranch } from './contracts/target-branch.js';
export { forwardTarget } from './contracts/forward-target.js';
export type { TargetOverrides } from './contracts/forward-target.js';
export { ensureMapped } from './operators/ensure-mapped.js';
export { fanOut } from './operators/fan-out.js';
export { filterMaps } from './operators/filter-maps.js';
export { onlyType } from './operators/only-type.js';
export { retryMaps } from './operators/retry-maps.js';
export type { RetryOptions } from './operators/retry-maps.js';
export { toTarget } from './operators/to-target.js';
export { withTimeout } from './operators/with-timeout.js';
