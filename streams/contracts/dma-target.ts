import type { Observable } from 'rxjs';
import type { Mappable, MappingType } from './backing.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { HostVa } from './host-va.js';

/** One map call of a target. */
export interface DmaMapRequest {
  /** Guest physical addresses. The I/O virtual addresses (IOVAs) are the same. */
  readonly range: MemoryRange;
  /** Name of the region, for messages. */
  readonly region: string;
  /** A failed map of `'device'` is skipped; one of `'ram'` fails its set. */
  readonly type: MappingType;
  /** Whether a device may write: both the mapping and its region are writable. */
  readonly writable: boolean;
  /** Absent for private memory. */
  readonly mappable?: Mappable;
  /** In bytes, page aligned; 0 for private memory. */
  readonly fileOffset: bigint;
  /** Present when the target has `needsVa`, and for private memory. */
  readonly hostVa?: HostVa;
}

/** The result of a batch that stopped at a failed call. */
export interface BatchStop {
  /** Number of calls that took effect, counted from the first: 0 when none did. The next call failed. It and all later calls had no effect. */
  readonly done: number;
  /** Error of the failed call, as `mapDma` or `unmapDma` would have thrown it. */
  readonly error: unknown;
}

/* eslint-disable @typescript-eslint/no-invalid-void-type -- a method that returns nothing is what the rule is not about */
/**
 * A consumer of DMA mappings: it makes guest memory accessible to a device or to another process.
 *
 * **Order.** Calls are made one at a time. A call has ended when it returns; when the promise that it returned settles; or when the
 * observable that it returned completes or errors. The ranges that are mapped at the same time never overlap.
 *
 * **Observables** (of RxJS, or any object with `Symbol.observable`). The library subscribes once, inside the call. If the method has a
 * result, it is the last emitted value; otherwise emitted values are ignored. The next call is made, or the outcome emitted, synchronously
 * when the observable completes. Tests can therefore run in virtual time.
 *
 * **Properties**, such as `name` and `needsVa`, are read while the target is attached; `maxMaps` also later. Methods are read at each call, so that
 * they may be replaced; whether there is a `beginSet` or an `endSet` is read with the properties.
 *
 * **A target that is gone.** A call (also `checkMaps`, `beginSet`, `endSet`, `mappedRanges` and `mappedCount`) that fails with a `DmaError` whose
 * code is `'ERR_TARGET_GONE'` says that the target no longer exists and holds nothing: the other process has ended, the device was removed.
 * No further call is made, nothing is stuck, and the attachment ends. A command that met it in an unmap goes on; one that met it in a map is
 * undone at the other targets and rejects. To use the target again, attach a new one.
 *
 * **Abort of an attach.** The library unsubscribes from the observable of a map call, of a batch of maps or of `checkMaps`. It cannot know
 * whether a map took effect, so it unmaps its range: an unmap of a range without maps must not fail. A promise cannot be cancelled: the library
 * waits for it for one second, and unmaps what the call mapped, also when the promise settles later.
 */
export interface DmaTarget {
  /** Name in messages and outcomes. */
  readonly name: string;
  /** Whether every map request must have a host virtual address. Default: `false`. */
  readonly needsVa?: boolean;
  /** Whether every map request must have a `mappable`. Private memory cannot be added while such a target is attached. Default: `false`. */
  readonly needsFd?: boolean;
  /**
   * `'superset'` (the default): one unmap call may cover several maps and the gaps between them. `'exact'`: one unmap call for each map.
   * In both cases an unmap never covers only a part of a map.
   */
  readonly unmapShape?: 'superset' | 'exact';
  /**
   * Checks all maps of a change set before the first one is made, for example against a limit. Not called for an undo. Must not fail because
   * of maps of type `device`: these fail in `mapDma`, where the failure does not make the set fail.
   *
   * On failure (thrown, rejected or errored): the set fails, and none of its maps is made.
   */
  checkMaps?(requests: readonly DmaMapRequest[]): void | Promise<void> | Observable<unknown>;
  /**
   * Maps the range.
   *
   * On failure (thrown, rejected or errored): no part of the range is mapped.
   */
  mapDma(request: DmaMapRequest): void | Promise<void> | Observable<unknown>;
  /**
   * Removes every map inside the range.
   *
   * On failure (thrown, rejected or errored): the library assumes that all maps inside the range still exist, or, if the error is a
   * `DmaUnmapError`, those in its `stuck`. It makes the call again on `Attachment.retryStuck()`, and before a new map of these pages.
   */
  unmapDma(range: MemoryRange): void | Promise<void> | Observable<unknown>;
  /**
   * Makes several maps of a set in one call, for targets where a system call or a message to another process costs more than the map
   * itself. If present, `mapDma` is called only for single maps.
   *
   * Order: as in the list. At the first failure the target stops and returns a `BatchStop`. If the rest of the set is needed in spite of the
   * failure (in an undo, or after a device map that is skipped), the library calls again with the maps after the failed one.
   *
   * On failure (thrown, rejected or errored): none of the maps took effect.
   */
  mapDmaBatch?(
    requests: readonly DmaMapRequest[],
  ): BatchStop | undefined | Promise<BatchStop | undefined> | Observable<BatchStop | undefined>;
  /**
   * Does several unmaps of a set in one call, like `mapDmaBatch`. After a `BatchStop` the library calls again with the ranges after the failed
   * one.
   *
   * On failure (thrown, rejected or errored): none of the unmaps took effect.
   */
  unmapDmaBatch?(
    ranges: readonly MemoryRange[],
  ): BatchStop | undefined | Promise<BatchStop | undefined> | Observable<BatchStop | undefined>;
  /**
   * Called once for each change set, before the first other call that is made for it at this target; for targets that have to prepare for a
   * change of several maps, for example by pausing virtual processors. An attach, a detach and a repair are sets as well. Not called for sets
   * of which this target gets nothing. Whether the target has this method or `endSet` is read when it is attached.
   *
   * On failure (thrown, rejected or errored): no call of the set is made. Its maps fail with the error, its unmaps leave their mappings stuck,
   * and `endSet` is not called.
   */
  beginSet?(generation: number): void | Promise<void> | Observable<unknown>;
  /**
   * Called once after the last call of a set that `beginSet` has begun: after its maps at all targets, or after its undo. Between the two calls
   * other targets are called.
   *
   * On failure (thrown, rejected or errored): the library reports a warning. What the set did stays.
   */
  endSet?(generation: number): void | Promise<void> | Observable<unknown>;
  /**
   * Whether calls of this target may run at the same time as calls of the targets that are next to it in attach order and also have
   * `concurrent: true`. The maps of a set then start in attach order and run concurrently, so that the set takes as long as the slowest
   * target. Default: `false`; the library waits for each target before it calls the next one.
   */
  readonly concurrent?: boolean;
  /**
   * Whether a map takes longer for a larger range, as where memory is pinned. Then a batch has at most 256 MiB, or one map, so that an abort
   * takes effect soon; `false`: only the number of its maps is limited. Default: `true`.
   */
  readonly slowForLargeMaps?: boolean;
  /**
   * Returns the ranges that are mapped, as they were mapped, for targets that can list them. Used by `Attachment.verify()`.
   *
   * Must list only maps that were made through this target: by default `Attachment.heal()` unmaps ranges in this list that are not in the
   * ledger.
   */
  mappedRanges?(): readonly MemoryRange[] | Promise<readonly MemoryRange[]> | Observable<readonly MemoryRange[]>;
  /**
   * Returns the number of maps, for targets that can count their maps but not list them; `undefined` when the number is not known now. Used
   * only if there is no `mappedRanges`.
   *
   * The number may include maps of other users of the same container: `Attachment.heal()` removes surplus maps only on request.
   *
   * If the number differs from the ledger, `heal()` makes every map of the ledger again, one by one. Therefore `mapDma` of a range that is
   * already mapped must fail with the code `EEXIST` and change nothing.
   */
  mappedCount?(): number | undefined | Promise<number | undefined> | Observable<number | undefined>;
  /**
   * The number of maps that the target can hold; absent if there is no limit, or it is not known. May be a getter, and must not throw.
   *
   * Used only for early warnings: a mapping whose granule divides it into more pieces than that is reported to
   * `RegionManagerOptions.onWarning` with `ERR_TOO_MANY_PIECES` when it is added, also while its region is not mapped, and when the target is
   * attached. Maps beyond the number are not withheld: the target refuses them, in `checkMaps` at the earliest.
   */
  readonly maxMaps?: number | undefined;
}
