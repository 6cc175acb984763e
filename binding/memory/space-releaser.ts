import { ERRNO } from '../../streams/internal.js';
import type { DmaError, MemoryRange, ReleaseFailure } from '../../streams/index.js';
import { leavingError, mapError } from './address-space-errors.js';
import { checkArray, checkRange } from '../checks.js';
import type { HeldMappings } from './held-mappings.js';
import { native, type SpaceHandle } from '../native.js';
import type { ReleasedViews } from './released-views.js';
import type { SpaceAccess } from './space-access.js';
import { RowBuffers, type Rows } from './row-buffers.js';

const { EBUSY, EINVAL } = ERRNO;

/** Numbers in a row (see `Native.addressSpaceReleaseRows`). */
const ROW = 2;

/**
 * Up to this number of pages in total (4 MiB) and of ranges are released synchronously on this thread. The event loop must not be blocked
 * for 10 ms.
 *
 * A page takes the kernel about 20 to 60 ns, and five to ten times that on an emulated processor: 4 MiB take less than 2 ms.
 */
const SMALL_PAGES = 1024;
const SMALL_ROWS = 256;

/** Releases mappings of guest memory: synchronously, or, if they are large, on another thread. */
export class SpaceReleaser {
  readonly #access: SpaceAccess;
  readonly #held: HeldMappings;
  readonly #views: ReleasedViews;
  readonly #spare = new RowBuffers(ROW);

  constructor(access: SpaceAccess, held: HeldMappings, views: ReleasedViews) {
    this.#access = access;
    this.#held = held;
    this.#views = views;
  }

  /** See `MappedMemory.release`. */
  release(range: MemoryRange): void {
    const space = this.#access.open();
    checkRange(range, 'range');
    this.#access.checkInside(range);
    const result = this.#views.during(space, () => native().addressSpaceRelease(space, range.startPage, range.endPage));
    const error = this.#settle(space, range, result);
    if (error !== undefined) {
      throw error;
    }
  }

  /** Retries failed releases in the range, before a new mapping is made there. */
  releaseAgain(range: MemoryRange): void {
    for (const unreleased of this.#held.unreleasedIn(range)) {
      this.release(unreleased);
    }
  }

  /** See `MappedMemory.releaseBatch`. */
  releaseBatch(
    ranges: readonly MemoryRange[],
  ): readonly ReleaseFailure[] | undefined | Promise<readonly ReleaseFailure[] | undefined> {
    const space = this.#access.open();
    checkArray(ranges, 'ranges');
    const failures: ReleaseFailure[] = [];
    const set: MemoryRange[] = [];
    const rows = this.#spare.take(ranges.length);
    let pages = 0;
    for (const range of ranges) {
      try {
        checkRange(range, 'range');
        this.#access.checkInside(range);
      } catch (error) {
        failures.push({ range, error });
        continue;
      }
      const { startPage, endPage } = range;
      rows.numbers[set.length * ROW] = startPage;
      rows.numbers[set.length * ROW + 1] = endPage;
      pages += endPage - startPage;
      set.push(range);
    }
    const isLarge = pages > SMALL_PAGES || set.length > SMALL_ROWS;
    const answer = isLarge ? this.#later(space, set, rows, failures) : this.#now(space, set, rows, failures);
    this.#spare.giveBack(rows);
    return answer;
  }

  #now(
    space: SpaceHandle,
    set: readonly MemoryRange[],
    { numbers, results }: Rows,
    failures: ReleaseFailure[],
  ): readonly ReleaseFailure[] | undefined {
    const result = this.#views.during(space, () =>
      native().addressSpaceReleaseRows(space, numbers, results, set.length),
    );
    return this.#settleSet(space, set, result < 0 ? result : results, failures);
  }

  async #later(
    space: SpaceHandle,
    set: readonly MemoryRange[],
    { numbers, results }: Rows,
    failures: ReleaseFailure[],
  ): Promise<readonly ReleaseFailure[] | undefined> {
    const later = this.#views.during(space, () =>
      native().addressSpaceReleaseLater(space, numbers, results, set.length),
    );
    if (typeof later === 'number') {
      return this.#settleSet(space, set, later, failures);
    }
    const leaving = set.filter((_, row) => results[row] === 0);
    for (const range of leaving) {
      this.#held.beginRelease(range);
    }
    const answers = await later;
    for (const range of leaving) {
      this.#held.endRelease(range);
    }
    return this.#settleSet(space, set, answers, failures);
  }

  /** Records the results of a set; `results` has one for each range, or one for all. Adds to the failures. */
  #settleSet(
    space: SpaceHandle,
    set: readonly MemoryRange[],
    results: Int32Array | number,
    failures: ReleaseFailure[],
  ): readonly ReleaseFailure[] | undefined {
    for (let row = 0; row < set.length; row++) {
      const range = set[row] as MemoryRange;
      const error = this.#settle(space, range, typeof results === 'number' ? results : (results[row] ?? 0));
      if (error !== undefined) {
        failures.push({ range, error });
      }
    }
    return failures.length === 0 ? undefined : failures;
  }

  /** Records the result of one range. */
  #settle(space: SpaceHandle, range: MemoryRange, result: number): DmaError | undefined {
    if (result >= 0) {
      this.#held.forget(range);
      return undefined;
    }
    if (result === EBUSY) {
      return leavingError({ range });
    }
    if (result !== EINVAL) {
      this.#held.markUnreleased(
        range,
        ({ startPage, endPage }) => native().addressSpaceOverlap(space, startPage, endPage) !== undefined,
      );
    }
    return mapError(result, { range });
  }
}
