import type { MapChange } from './change-set.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { HostVa } from './host-va.js';

/** A range that a VA mapper failed to release. */
export interface ReleaseFailure {
  readonly range: MemoryRange;
  /** As `release` would have thrown it. */
  readonly error: unknown;
}

/** Gives guest memory its host virtual addresses. */
export interface VaMapper {
  /**
   * Makes the mapping readable, and writable when it is, at a host virtual address.
   *
   * Idempotent while the mapping is held: the same mapping gives the same VA.
   *
   * On failure: nothing is mapped.
   *
   * @throws DmaError
   */
  ensureMapped(change: MapChange): HostVa;
  /**
   * Takes the address away. Called once for each mapping that was ensured, when it leaves the view.
   *
   * One that throws counts as done, and is a warning.
   */
  release(range: MemoryRange): void;
  /**
   * Makes the mappings of a set together, for a mapper to which each call costs more than the mapping itself. Then `ensureMapped` is called
   * for a single mapping alone.
   *
   * Order: as in the list. Their ranges do not overlap. One that fails stops nothing: those before and behind it are made.
   *
   * On failure, thrown: none of them is mapped that was not before.
   *
   * @returns of each mapping, in the same order, its address, or the error as `ensureMapped` would have thrown it
   * @throws DmaError
   */
  ensureMappedBatch?(changes: readonly MapChange[]): readonly (HostVa | Error)[];
  /**
   * Takes the addresses of a set away, as `release` does of one, which is then called only for what was made and never handed to a target. May
   * take its time: by the promise that it returns, whoever waits for the memory to be gone waits without standing still, and nothing is made
   * there again before. Also called for a single range, which may be large.
   *
   * One that fails stops nothing, counts as done, and is a warning; when all of it throws, or rejects, every one of them has failed.
   *
   * @returns those that failed; nothing when none did
   */
  releaseBatch?(
    ranges: readonly MemoryRange[],
  ): readonly ReleaseFailure[] | undefined | Promise<readonly ReleaseFailure[] | undefined>;
}
