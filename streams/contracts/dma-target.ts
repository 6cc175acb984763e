import type { Observable } from 'rxjs';
import type { Mappable, MappingType } from './region.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { HostVa } from './host-va.js';

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
 * How far a target got that takes several calls at once, when it did not get to the end of them.
 */
export interface BatchStop {
  /** Calls that took effect, from the first on: 0 when none did. The next one failed; it and all after it changed nothing. */
  readonly done: number;
  /** Why the next one failed: as `mapDma` or `unmapDma` would have thrown it. */
  readonly error: unknown;
}

/* eslint-disable @typescript-eslint/no-invalid-void-type -- a method that returns nothing is what the rule is not about */
/**
 * A consumer of IOMMU-granularity DMA mapping events: something that lets a device, or another process, reach guest memory.
 *
 * Calls come one at a time: the next one only after the last has been answered. A call has been answered when it returns; when the promise that it
 * returned settles; when the observable that it returned completes, or errors. Ranges that are mapped never overlap.
 *
 * An observable (RxJS, or anything that has `Symbol.observable`) is subscribed once, inside the call. Where a method has a result, it is the last
 * value that is emitted; of the others what is emitted does not matter. The next call is made, and an outcome emitted, in the very moment in which it
 * completes: so a test may run in virtual time. An observable of a map, or of `checkMaps`, is unsubscribed when the attach is aborted; whether a
 * map took effect is not known then, so the range is unmapped: an unmap where nothing is mapped must not fail. A promise cannot be stopped:
 * its call is given a second to come back, and what it mapped is unmapped, also when it comes later.
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
   * When it throws, rejects or errors, the set fails, and none of its maps was made.
   */
  checkMaps?(requests: readonly DmaMapRequest[]): void | Promise<void> | Observable<unknown>;
  /**
   * Makes the range reachable.
   *
   * On failure, thrown, rejected or errored: nothing of the range is mapped.
   */
  mapDma(request: DmaMapRequest): void | Promise<void> | Observable<unknown>;
  /**
   * Ends every map inside the range.
   *
   * On failure, thrown, rejected or errored: every map inside the range counts as still there; the call is made again when the user
   * asks for it (`Attachment.retryStuck()`), and before a new map of these pages. A `DmaUnmapError` may say in `stuck` which are.
   */
  unmapDma(range: MemoryRange): void | Promise<void> | Observable<unknown>;
  /**
   * Takes the maps of a set together, for a target to which crossing into the kernel, or to another process, costs more than the map
   * itself. Then `mapDma` is called for a single map alone.
   *
   * Order: as in the list, each map before the next. When one fails the target stops there and says so; the library goes on behind it
   * where the set has to be served past failures (an undo, a device map that is skipped).
   *
   * On failure, thrown, rejected or errored: none of the maps took effect.
   */
  mapDmaBatch?(
    requests: readonly DmaMapRequest[],
  ): BatchStop | undefined | Promise<BatchStop | undefined> | Observable<BatchStop | undefined>;
  /**
   * Takes the unmaps of a set together, as `mapDmaBatch` does the maps. The library goes on behind one that fails.
   *
   * On failure, thrown, rejected or errored: none of the unmaps took effect.
   */
  unmapDmaBatch?(
    ranges: readonly MemoryRange[],
  ): BatchStop | undefined | Promise<BatchStop | undefined> | Observable<BatchStop | undefined>;
  /**
   * Whether its calls may be under way while those of its neighbours in attach order are that say the same: the maps of one set then begin
   * in attach order and are waited for together, so that the set takes as long as the slowest of them. Default: false, each target is
   * waited for before the next one is called.
   */
  readonly concurrent?: boolean;
  /**
   * What it holds, in the ranges in which it was mapped; for a target that can be asked. See `Attachment.verify()`.
   *
   * Only what was mapped through this target: `Attachment.heal()` unmaps what is in this list and not in the ledger, unless it is told not to.
   */
  mappedRanges?(): readonly MemoryRange[] | Promise<readonly MemoryRange[]> | Observable<readonly MemoryRange[]>;
  /**
   * How many maps it holds; for a target that can count them, and not name them. `undefined` when it cannot tell now. Asked where there is no
   * `mappedRanges`.
   *
   * It may count what another user has mapped in the same container: `Attachment.heal()` unmaps what is too much only on request.
   *
   * When the number is not that of the ledger, `heal()` maps everything again that the ledger has, one by one: so `mapDma` over
   * what is mapped must fail with the code `EEXIST`, and change nothing.
   */
  mappedCount?(): number | undefined | Promise<number | undefined> | Observable<number | undefined>;
}
