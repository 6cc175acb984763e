import type { Ioas } from '../binding/index.js';
import { DmaError, DmaUnmapError, type DmaMapRequest, type DmaTarget, type MemoryRange } from '../streams/index.js';
import { RangeMap } from '../streams/range-map.js';
import { mapError, unmapError, type Circumstances } from './kernel/explain.js';
import { IommuCalls } from './kernel/iommu-calls.js';
import { lockedMemory } from './kernel/locked-memory.js';
import { preflight } from './kernel/preflight.js';
import { settle } from './kernel/settle.js';
import { noVaError } from './vfio-type1-target.js';

const ENOENT = -2;

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
 * Before a device is attached to the IOAS, maps are recorded and neither pinned nor checked: what is wrong with them surfaces when one is
 * attached. Ranges of more than 2 MiB are mapped and unmapped on another thread. The BAR of a device cannot be mapped: a soft failure.
 */
export class IommufdTarget implements DmaTarget {
  readonly name: string;
  readonly needsVa: boolean;
  readonly needsFd: boolean;
  readonly #ioas: Ioas;
  readonly #byFile: boolean;
  readonly #calls: IommuCalls;
  /** What it has mapped: an unmap of the kernel may end half-way. */
  readonly #mapped = new RangeMap<{ readonly range: MemoryRange }>();

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
  }

  /** What it holds, ascending. */
  mappedRanges(): readonly MemoryRange[] {
    return Array.from(this.#mapped, ({ range }) => range);
  }

  /**
   * Looks at a whole set before its first map: every range against what the IOMMU can map, and the limit of locked memory.
   *
   * @throws DmaError that names the row which cannot fit
   */
  checkMaps(requests: readonly DmaMapRequest[]): void {
    const { limit, pinned } = lockedMemory();
    preflight(requests, {
      target: this.name,
      request: mapRequest(this.#byFile),
      iovaRanges: this.#ioas.iovaRanges,
      pinnable: limit === undefined ? undefined : limit - pinned,
    });
  }

  /**
   * On failure: nothing of the range is mapped or pinned.
   *
   * @throws DmaError of the kernel: `EEXIST`, `EINVAL`, `EFAULT`, `ENOMEM`; `ERR_NO_VA`; `ERR_CLOSED`
   */
  mapDma(request: DmaMapRequest): void | Promise<void> {
    const { range, hostVa, mappable, fileOffset, writable } = request;
    const byFile = this.#byFile && mappable !== undefined && request.type !== 'device';
    if (!byFile && hostVa === undefined) {
      throw noVaError(request, this.name);
    }
    const errno = this.#calls.call(range.length, (batch) => {
      if (byFile) {
        batch.mapFile(range, mappable.fd, fileOffset, writable);
      } else if (hostVa !== undefined) {
        batch.mapVa(range, hostVa, writable);
      }
    });
    return settle(this.#noting(errno, range), (failed) =>
      mapError(failed, request, {
        ...this.#circumstances(mapRequest(byFile)),
        inTheWay: this.#mapped.firstOverlap(range)?.range,
      }),
    );
  }

  /**
   * Unmapping what is not mapped is no failure.
   *
   * On failure: what is still mapped is in `stuck` of the error.
   *
   * @throws DmaUnmapError of the kernel; DmaError `ERR_CLOSED`
   */
  unmapDma(range: MemoryRange): void | Promise<void> {
    const mapped = this.#mapped.overlapping(range);
    const errno = this.#calls.call(range.length, (batch) => {
      batch.unmap(range);
    });
    if (typeof errno !== 'number') {
      return errno.then((late) => this.#finishUnmap(late, range, mapped));
    }
    return this.#finishUnmap(errno, range, mapped);
  }

  /** The kernel ends an unmap at the first mapping that it cannot take; what came before is gone. So each is tried by itself. */
  #finishUnmap(errno: number, range: MemoryRange, mapped: readonly { readonly range: MemoryRange }[]): void {
    const stuck: MemoryRange[] = [];
    let failed = errno;
    for (const entry of mapped) {
      const isWhole = range.contains(entry.range);
      const own = errno < 0 && isWhole ? this.#unmapOne(entry.range) : errno;
      // Of one that the range cuts, ENOENT does not say that it is gone.
      if (own === 0 || (own === ENOENT && isWhole)) {
        this.#mapped.remove(entry.range);
      } else {
        failed = own;
        stuck.push(entry.range);
      }
    }
    if (stuck.length > 0) {
      const error = unmapError(failed, range, this.#circumstances('IOMMU_IOAS_UNMAP'));
      const { code, syscall, request, target, hint } = error;
      throw new DmaUnmapError(
        error.message,
        { code, errno: error.errno, syscall, request, target, range, hint, cause: error },
        { stuck: stuck.map((one) => ({ target: this.name, range: one })) },
      );
    }
  }

  #unmapOne(range: MemoryRange): number {
    return this.#calls.callNow((batch) => {
      batch.unmap(range);
    });
  }

  #noting(errno: number | Promise<number>, range: MemoryRange): number | Promise<number> {
    if (typeof errno !== 'number') {
      return errno.then((late) => this.#noting(late, range));
    }
    if (errno === 0) {
      this.#mapped.insert({ range });
    }
    return errno;
  }

  #circumstances(request: string): Circumstances {
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
