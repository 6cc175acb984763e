import { ERRNO } from '../streams/internal.js';
import type { DmaBatch, Ioas } from '../binding/index.js';
import {
  DmaError,
  DmaUnmapError,
  type BatchStop,
  type DmaMapRequest,
  type DmaTarget,
  type MemoryRange,
} from '../streams/index.js';
import { CapacityTracker } from './kernel/capacity.js';
import { mapError, noVaError, stuckError, type ErrorContext } from './kernel/kernel-errors.js';
import { HeldMaps, type MappedBy } from './kernel/held-maps.js';
import { IommuCalls } from './kernel/iommu-calls.js';
import { lockedMemory } from './kernel/locked-memory.js';
import { toBatchStop, whenDone, type BatchAnswer, type BadArgument } from './kernel/batch-answer.js';

const { ENOENT } = ERRNO;

export interface IommufdTargetOptions {
  /** Default `'iommufd'`. */
  readonly name?: string;
  /**
   * `'file'`: by file alone, which needs `Iommufd.supportsMapFile`, and memory that is a memfd, on tmpfs or huge pages. `'va'`: by host virtual
   * address. `'auto'` (the default): by file where the kernel can and the mapping has one, else by host virtual address.
   */
  readonly by?: 'auto' | 'file' | 'va';
}

/**
 * Programs an IOAS of an iommufd, by file (`IOMMU_IOAS_MAP_FILE`) or by host virtual address (`IOMMU_IOAS_MAP`), and unmaps with
 * `IOMMU_IOAS_UNMAP`.
 *
 * What another target has mapped into another IOAS of the same iommufd, the same memory at the same range with the same access, is copied
 * from there (`IOMMU_IOAS_COPY`): the pages are pinned, and counted, once. They stay pinned until the last of the two has unmapped them. Where
 * the kernel does not copy, it maps.
 *
 * Before a device is attached to the IOAS, maps are recorded and neither pinned nor checked: what is wrong with them surfaces when one is
 * attached. Ranges of more than 2 MiB, and sets of more than 2 MiB in all or 256 rows, are mapped and unmapped on another thread. The BAR of a
 * device cannot be mapped: a soft failure.
 */
export class IommufdTarget implements DmaTarget {
  readonly name: string;
  readonly needsVa: boolean;
  readonly needsFd: boolean;
  readonly concurrent = true;
  readonly #ioas: Ioas;
  readonly #byFile: boolean;
  readonly #calls: IommuCalls;
  readonly #capacity: CapacityTracker;
  /** What it has mapped: an unmap of the kernel may end half-way. */
  readonly #heldMaps: HeldMaps;

  /**
   * @throws RangeError when `by` is none of these
   * @throws DmaError `ENOTTY` when `by` is 'file' and the kernel cannot
   */
  constructor(ioas: Ioas, options: IommufdTargetOptions = {}) {
    const { name = 'iommufd', by = 'auto' } = options;
    if (!['auto', 'file', 'va'].includes(by)) {
      throw new RangeError(`by '${by}' is none of 'auto', 'file' and 'va'`);
    }
    this.name = name;
    this.#ioas = ioas;
    this.#byFile = by !== 'va' && ioas.iommufd.supportsMapFile;
    if (by === 'file' && !this.#byFile) {
      throw noMapFileError(name);
    }
    this.needsVa = !this.#byFile;
    this.needsFd = by === 'file';
    this.#calls = new IommuCalls(ioas);
    this.#heldMaps = new HeldMaps(ioas, (request) => this.#wayOf(request));
    this.#capacity = new CapacityTracker({
      target: name,
      mapRequest: mapRequest(this.#byFile),
      ask() {
        const { limit, pinned } = lockedMemory();
        return { iovaRanges: ioas.iovaRanges, pinnable: limit === undefined ? undefined : limit - pinned };
      },
      get joins() {
        return ioas.joins;
      },
    });
  }

  /** What it holds, ascending. */
  mappedRanges(): readonly MemoryRange[] {
    return this.#heldMaps.ranges();
  }

  /**
   * Looks at a whole set before its first map: every range against what the IOMMU can map, and the limit of locked memory. A single map is left
   * to the kernel.
   *
   * @throws DmaError that names the row which cannot fit
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    this.#capacity.check(
      requests,
      this.#heldMaps.hasSiblings ? (request) => this.#sourceOf(request) !== undefined : undefined,
    );
  }

  /**
   * On failure: nothing of the range is mapped or pinned.
   *
   * @throws DmaError of the kernel: `EEXIST`, `EINVAL`, `EFAULT`, `ENOMEM`; `ERR_NO_VA`; `ERR_CLOSED`
   */
  mapDma(request: DmaMapRequest): void | Promise<void> {
    return this.#mapOne(request, this.#sourceOf(request));
  }

  /**
   * The maps of a set, in order, in one call to native code, up to the first that fails: nothing of that one and of those after it is mapped.
   *
   * The error in the answer is as of {@link IommufdTarget.mapDma}.
   */
  mapDmaBatch(requests: readonly DmaMapRequest[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#mapFrom(requests, 0, this.#heldMaps.hasSiblings);
  }

  /**
   * Unmapping what is not mapped is no failure.
   *
   * On failure: what is still mapped is in `stuck` of the error.
   *
   * @throws DmaUnmapError of the kernel; DmaError `ERR_CLOSED`
   */
  unmapDma(range: MemoryRange): void | Promise<void> {
    const batch = this.#calls.begin();
    batch.unmap(range);
    return whenDone(this.#calls.runOne(batch), (errno): void | Promise<void> => {
      if (errno === 0) {
        this.#heldMaps.remove(range);
        return undefined;
      }
      return whenDone(this.#finish(errno, range), (error): void => {
        if (error !== undefined) {
          throw error;
        }
      });
    });
  }

  /**
   * The unmaps of a set, in order, in one call to native code, up to the first that fails: nothing of those after it is unmapped.
   *
   * The error in the answer is as of {@link IommufdTarget.unmapDma}.
   */
  unmapDmaBatch(ranges: readonly MemoryRange[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#unmapFrom(ranges, 0);
  }

  #mapOne(request: DmaMapRequest, source: Ioas | undefined): void | Promise<void> {
    const batch = this.#calls.begin();
    this.#putMap(batch, request, source);
    return whenDone(this.#calls.runOne(batch), (errno): void | Promise<void> => {
      if (errno === 0) {
        this.#heldMaps.add(request);
        return undefined;
      }
      if (source !== undefined) {
        return this.#mapOne(request, undefined);
      }
      throw this.#mapError(errno, request);
    });
  }

  /** Where the kernel does not copy a row, that one and the rest are mapped: else a kernel that never copies would be called row by row. */
  #mapFrom(requests: readonly DmaMapRequest[], first: number, copying: boolean): BatchAnswer {
    const batch = this.#calls.begin();
    const copied = new Set<number>();
    let refused: BadArgument | undefined;
    try {
      for (let index = first; index < requests.length; index++) {
        const request = requests[index] as DmaMapRequest;
        const source = copying ? this.#sourceOf(request) : undefined;
        this.#putMap(batch, request, source);
        if (source !== undefined) {
          copied.add(index);
        }
      }
    } catch (error) {
      refused = { refusal: error };
    }
    return whenDone(this.#calls.run(batch), (ran) => {
      const done = first + ran.done;
      for (let index = first; index < done; index++) {
        this.#heldMaps.add(requests[index] as DmaMapRequest);
      }
      return ran.errno < 0 && copied.has(done)
        ? this.#mapFrom(requests, done, false)
        : toBatchStop({ done, errno: ran.errno }, requests, refused, (failed, request, rest) =>
            this.#mapError(failed, request, rest),
          );
    });
  }

  #unmapFrom(ranges: readonly MemoryRange[], first: number): BatchAnswer {
    const { batch, refused } = this.#calls.beginUnmaps(ranges, first);
    return whenDone(this.#calls.run(batch), (ran) => {
      const done = first + ran.done;
      for (let index = first; index < done; index++) {
        this.#heldMaps.remove(ranges[index] as MemoryRange);
      }
      const failed = ranges[done];
      if (failed === undefined) {
        return undefined;
      }
      if (ran.errno === 0) {
        return { done, error: refused?.refusal };
      }
      return whenDone(this.#finish(ran.errno, failed), (error) =>
        error === undefined ? this.#unmapFrom(ranges, done + 1) : { done, error },
      );
    });
  }

  /**
   * Goes on with an unmap that failed, and says what is left of it. The kernel ends one at the first mapping that it cannot take, and what came
   * before is gone: so each is tried.
   */
  #finish(errno: number, range: MemoryRange): DmaUnmapError | undefined | Promise<DmaUnmapError | undefined> {
    const mapped = this.#heldMaps.overlapping(range);
    const whole = mapped.filter((one) => range.contains(one));
    return whenDone(this.#calls.unmapEach(whole), (errnos) => {
      const stuck = mapped.filter((one) => !range.contains(one));
      let why = errno;
      whole.forEach((one, row) => {
        const own = errnos[row] ?? 0;
        if (own === 0 || own === ENOENT) {
          this.#heldMaps.remove(one);
        } else {
          why = own;
          stuck.push(one);
        }
      });
      return stuck.length === 0 ? undefined : stuckError(why, range, stuck, this.#errorContext('IOMMU_IOAS_UNMAP'));
    });
  }

  #putMap(batch: DmaBatch, request: DmaMapRequest, source: Ioas | undefined): void {
    const { range, hostVa, mappable, fileOffset, writable } = request;
    if (source !== undefined) {
      batch.copy(range, source, writable);
      return;
    }
    if (mappable !== undefined && this.#wayOf(request) === mappable) {
      batch.mapFile(range, mappable.fd, fileOffset, writable);
    } else if (hostVa !== undefined) {
      batch.mapVa(range, hostVa, writable);
    } else {
      throw noVaError(request, this.name);
    }
    this.#capacity.count(range.endPage - range.startPage);
  }

  /** The file that a request is mapped by, or its host virtual address. */
  #wayOf({ type, mappable, hostVa }: DmaMapRequest): MappedBy | undefined {
    return this.#byFile && mappable !== undefined && type !== 'device' ? mappable : hostVa;
  }

  #sourceOf(request: DmaMapRequest): Ioas | undefined {
    return this.#heldMaps.hasSiblings ? this.#heldMaps.sourceOf(request) : undefined;
  }

  #mapError(errno: number, request: DmaMapRequest, rest: readonly DmaMapRequest[] = [request]): DmaError {
    return mapError(errno, request, {
      rest,
      ...this.#errorContext(mapRequest(this.#byFile && this.#wayOf(request) === request.mappable)),
      inTheWay: this.#heldMaps.firstOverlap(request.range),
    });
  }

  #errorContext(request: string): ErrorContext {
    return { target: this.name, request, iovaRanges: () => this.#ioas.iovaRanges };
  }
}

function mapRequest(byFile: boolean): string {
  return byFile ? 'IOMMU_IOAS_MAP_FILE' : 'IOMMU_IOAS_MAP';
}

function noMapFileError(target: string): DmaError {
  return new DmaError('this kernel cannot map a file into an IOAS', {
    code: 'ENOTTY',
    syscall: 'ioctl',
    request: 'IOMMU_IOAS_MAP_FILE',
    target,
    hint: "it needs Linux 6.14 or later: use by: 'va', or 'auto', which maps by host virtual address here",
  });
}
