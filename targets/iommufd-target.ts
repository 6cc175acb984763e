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
  /** Name in errors. Default: `'iommufd'`. */
  readonly name?: string;
  /**
   * `'file'`: by file only, which needs `Iommufd.supportsMapFile`, and memory that is a memfd, on tmpfs or huge pages. `'va'`: by host
   * virtual address. `'auto'` (the default): by file if the kernel supports it and the mapping has one, otherwise by host virtual address.
   */
  readonly by?: 'auto' | 'file' | 'va';
}

/**
 * Programs an IOAS of an iommufd, by file (`IOMMU_IOAS_MAP_FILE`) or by host virtual address (`IOMMU_IOAS_MAP`), and unmaps with
 * `IOMMU_IOAS_UNMAP`.
 *
 * If another target has mapped the same memory at the same range with the same access into another IOAS of the same iommufd, the mapping is
 * copied (`IOMMU_IOAS_COPY`): the pages are pinned and counted once, until both targets have unmapped them. If that fails, it is mapped.
 *
 * Before a device is attached to the IOAS, maps are recorded but not pinned or checked: their errors occur when a device is attached.
 * Ranges of more than 2 MiB, and sets of more than 2 MiB in total or 256 rows, are mapped and unmapped on another thread. Device BARs
 * cannot be mapped: a soft failure.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { Iommufd } from 'dma-streams/binding';
 * import { IommufdTarget } from 'dma-streams/targets';
 *
 * using iommufd = Iommufd.open();
 * await using manager = new RegionManager();
 * await manager.attach(new IommufdTarget(iommufd.allocIoas(), { by: 'file' }));
 * ```
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
  /** The current mappings: needed because a failed unmap of the kernel may be partial. */
  readonly #heldMaps: HeldMaps;

  /** @throws RangeError if `by` is invalid; DmaError `ENOTTY` if `by` is 'file' and the kernel cannot map files; `ERR_CLOSED` */
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

  /** The ranges of the current mappings, ascending. */
  mappedRanges(): readonly MemoryRange[] {
    return this.#heldMaps.ranges();
  }

  /**
   * Checks a set before its first map: the ranges against the IOVA ranges of the IOMMU, and the limit of locked memory. A single map is not
   * checked here; the kernel checks it.
   *
   * @throws DmaError for the first request that exceeds a limit; the error names it. Nothing is mapped
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    this.#capacity.check(
      requests,
      this.#heldMaps.hasSiblings ? (request) => this.#sourceOf(request) !== undefined : undefined,
    );
  }

  /**
   * Maps memory. Returns a promise if the map is made on another thread. On failure: no part of the range is mapped or pinned.
   *
   * @throws DmaError of the kernel: `EEXIST`, `EINVAL`, `EFAULT`, `ENOMEM`; `ERR_NO_VA`; `ERR_CLOSED`
   */
  mapDma(request: DmaMapRequest): void | Promise<void> {
    return this.#mapOne(request, this.#sourceOf(request));
  }

  /**
   * Makes the maps of a set in order, in one native call, up to the first failure. The failed map and those after it are not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link IommufdTarget.mapDma}
   */
  mapDmaBatch(requests: readonly DmaMapRequest[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#mapFrom(requests, 0, this.#heldMaps.hasSiblings);
  }

  /**
   * Unmaps all mappings inside the range. A range without mappings is accepted. On failure: `stuck` of the error has what is still mapped.
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
   * Makes the unmaps of a set in order, with one native call, and stops at the first failure. The unmaps after it are not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link IommufdTarget.unmapDma}
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

  /** If the kernel does not copy a row, this and the remaining rows are mapped: a kernel that never copies would need a call per row. */
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
   * Continues a failed unmap, and returns what is still mapped. The kernel stops at the first mapping that it cannot unmap, after unmapping
   * those before it. So each mapping is unmapped separately.
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

  /** The file or the host virtual address by which a request is mapped. */
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
