import type { Mappable, MappingType } from './region.js';
import type { MemoryRange } from './memory-range.js';
import type { HostVa } from './va-mapper.js';

/** One mapping, as a target sees it. */
export interface DmaMapRequest {
  /** Guest physical addresses, and I/O virtual addresses: the mapping is an identity. */
  readonly range: MemoryRange;
  /** Name of the region that the mapping is part of: for messages. */
  readonly region: string;
  readonly type: MappingType;
  /** Whether a device may write. The mapping's own flag AND its region's. */
  readonly writable: boolean;
  /** Absent for private memory. */
  readonly mappable?: Mappable;
  /** In bytes, page aligned; 0 for private memory. */
  readonly fileOffset: bigint;
  /** Present when the target `needsVa`, and for private memory. */
  readonly hostVa?: HostVa;
}

/**
 * A consumer of IOMMU-granularity DMA mapping events: something that lets a device, or another process, reach guest memory.
 *
 * Calls come one at a time: the next one only after the last has returned, or after the promise that it returned has settled.
 * A call that returns anything but a promise has been applied. Ranges that are mapped never overlap.
 */
export interface DmaTarget {
  /** For messages and outcomes. */
  readonly name: string;
  /** Every map carries a host virtual address. Default: false. */
  readonly needsVa?: boolean;
  /** Every map carries a mappable: private memory cannot be added while the target is attached. Default: false. */
  readonly needsFd?: boolean;
  /**
   * `'superset'` (the default): an unmap may cover several maps and the gaps between them. `'exact'`: one call for each map.
   * Neither ever cuts a map.
   */
  readonly unmapShape?: 'superset' | 'exact';
  /**
   * Looks at all maps of a change set before the first of them is made, for a target that can tell that they do not fit. Not called for an
   * undo. Maps of type `device` must be left to `mapDma`, where their failure is soft.
   *
   * When it throws or rejects, the set fails, and none of its maps was made.
   */
  checkMaps?(requests: readonly DmaMapRequest[]): void | Promise<void>;
  /**
   * Makes the range reachable.
   *
   * On failure, thrown or rejected: nothing of the range is mapped.
   */
  mapDma(request: DmaMapRequest): void | Promise<void>;
  /**
   * Ends every map inside the range.
   *
   * On failure, thrown or rejected: every map inside the range counts as still there; the call is made again when the user
   * asks for it (`Attachment.retryStuck()`), and before a new map of these pages. A `DmaUnmapError` may say in `stuck` which are.
   */
  unmapDma(range: MemoryRange): void | Promise<void>;
  /** What it holds, in the ranges in which it was mapped; for a target that can be asked. See `Attachment.verify()`. */
  mappedRanges?(): readonly MemoryRange[] | Promise<readonly MemoryRange[]>;
}
