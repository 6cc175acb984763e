import type { MapChange } from './change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { HostVa } from './host-va.js';

/** A range that a VA mapper failed to release. */
export interface ReleaseFailure {
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** The error as `release` would have thrown it. */
  readonly error: unknown;
}

/** Maps guest memory at host virtual addresses (VAs). */
export interface VaMapper {
  /**
   * Makes the mapping accessible at a host virtual address: readable, and writable if `change.writable` is set.
   *
   * Idempotent until the release: the same mapping gets the same VA.
   *
   * On failure: nothing is mapped.
   *
   * @throws DmaError
   */
  ensureMapped(change: MapChange): HostVa;
  /**
   * Removes the mapping at a host virtual address. Called once for each mapping that was ensured, after it was removed from the view.
   *
   * On failure (thrown): the library reports a warning and does not call again.
   */
  release(range: MemoryRange): void;
  /**
   * Makes several mappings in one call, for mappers where the cost of a call exceeds that of a mapping. If present, `ensureMapped` is called
   * only for single mappings.
   *
   * Order: as in the list. The ranges do not overlap. A mapping that fails does not affect the others.
   *
   * On failure (thrown): no new mapping was made; older mappings are unchanged.
   *
   * @returns for each mapping, in the same order, its address, or the error that `ensureMapped` would have thrown
   * @throws DmaError
   */
  ensureMappedBatch?(changes: readonly MapChange[]): readonly (HostVa | Error)[];
  /**
   * Releases several ranges in one call. If present, `release` is called only for mappings that were made and never passed to a target. Also
   * called for a single range, which may be large.
   *
   * May return a promise: the event loop then continues during the release, and the library makes no new mapping in these ranges before the
   * promise settles.
   *
   * A range that fails does not affect the others. The library reports a warning for each failed range and does not call again. On failure of
   * the whole call (thrown or rejected): all ranges count as failed.
   *
   * @returns the ranges that failed; `undefined` when all were released
   */
  releaseBatch?(
    ranges: readonly MemoryRange[],
  ): readonly ReleaseFailure[] | undefined | Promise<readonly ReleaseFailure[] | undefined>;
}
