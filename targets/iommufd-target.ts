import type { Ioas } from '../binding/index.js';
import { checkLabel } from '../binding/checks.js';
import {
  DmaError,
  type BatchStop,
  type DmaMapRequest,
  type DmaTarget,
  type Mappable,
  type MemoryRange,
} from '../streams/index.js';
import { checkOptions, ERRNO, printable } from '../streams/internal.js';
import { whenDone } from './kernel/batch-answer.js';
import { checkHandle } from './kernel/handle-check.js';
import { HeldMaps } from './kernel/held-maps.js';
import { IommuCalls } from './kernel/iommu-calls.js';
import { stuckError, unmapError } from './kernel/kernel-errors.js';
import { KernelTarget, putMapByVa, type KernelInterface } from './kernel/kernel-target.js';
import { lockedMemory } from './kernel/locked-memory.js';

const { ENOENT } = ERRNO;

/** Options of an `IommufdTarget`. */
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
  readonly #kernel: KernelTarget;
  /** The current mappings: needed because a failed unmap of the kernel may be partial. */
  readonly #heldMaps: HeldMaps;

  /** @throws TypeError if it is no Ioas; RangeError if `by` is invalid; DmaError `ENOTTY` if `by` is 'file' and the kernel cannot map files; `ERR_CLOSED` */
  constructor(ioas: Ioas, options: IommufdTargetOptions = {}) {
    const { name = 'iommufd', by = 'auto' } = checkOptions(options, { name: true, by: true }, 'IommufdTarget');
    checkHandle(ioas, 'run', 'an Ioas', 'the IOAS of an IommufdTarget');
    checkLabel(name, 'name');
    if (!['auto', 'file', 'va'].includes(by)) {
      throw new RangeError(`by '${by}' is none of 'auto', 'file' and 'va'`);
    }
    this.name = name;
    const byFile = by !== 'va' && ioas.iommufd.supportsMapFile;
    if (by === 'file' && !byFile) {
      throw noMapFileError(name);
    }
    this.needsVa = !byFile;
    this.needsFd = by === 'file';
    const fileOf: FindFile = ({ type, mappable }) => (byFile && type !== 'device' ? mappable : undefined);
    this.#heldMaps = new HeldMaps(ioas, (request) => fileOf(request) ?? request.hostVa);
    this.#kernel = new KernelTarget(iommufdInterface(name, ioas, this.#heldMaps, fileOf, mapRequest(byFile)));
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
    this.#kernel.checkMaps(requests);
  }

  /**
   * Maps memory. Returns a promise if the map is made on another thread. On failure: no part of the range is mapped or pinned.
   *
   * @throws DmaError of the kernel: `EEXIST`, `EINVAL`, `EFAULT`, `ENOMEM`; `ERR_NO_VA`; `ERR_CLOSED`
   */
  mapDma(request: DmaMapRequest): void | Promise<void> {
    return this.#kernel.mapDma(request);
  }

  /**
   * Makes the maps of a set in order, in one native call, up to the first failure. The failed map and those after it are not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link IommufdTarget.mapDma}
   */
  mapDmaBatch(requests: readonly DmaMapRequest[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#kernel.mapDmaBatch(requests);
  }

  /**
   * Unmaps all mappings inside the range. A range without mappings is accepted. On failure: `stuck` of the error has what is still mapped.
   *
   * @throws DmaUnmapError of the kernel; DmaError `ERR_CLOSED`
   */
  unmapDma(range: MemoryRange): void | Promise<void> {
    return this.#kernel.unmapDma(range);
  }

  /**
   * Makes the unmaps of a set in order, with one native call, and stops at the first failure. The unmaps after it are not made.
   *
   * @returns `undefined` if all succeeded; otherwise where it stopped, with an error as of {@link IommufdTarget.unmapDma}
   */
  unmapDmaBatch(ranges: readonly MemoryRange[]): BatchStop | undefined | Promise<BatchStop | undefined> {
    return this.#kernel.unmapDmaBatch(ranges);
  }
}

printable(IommufdTarget, ({ name, needsVa, needsFd }) => ({ name, by: needsVa ? 'va' : needsFd ? 'file' : 'auto' }));

/** The file by which a map is made; `undefined` if it is made by host virtual address. */
type FindFile = (request: DmaMapRequest) => Mappable | undefined;

/** @param usual the name of the request that makes most maps */
function iommufdInterface(
  target: string,
  ioas: Ioas,
  held: HeldMaps,
  fileOf: FindFile,
  usual: string,
): KernelInterface {
  const calls = new IommuCalls(ioas);
  const kernel: KernelInterface = {
    target,
    calls,
    mapRequest: (request) => (request === undefined ? usual : mapRequest(fileOf(request) !== undefined)),
    unmapRequest: 'IOMMU_IOAS_UNMAP',
    iovaRanges: () => ioas.iovaRanges,
    inTheWay: (range) => held.firstOverlap(range),
    limits() {
      const { limit, pinned } = lockedMemory();
      return { iovaRanges: ioas.iovaRanges, pinnable: limit === undefined ? undefined : limit - pinned };
    },
    joins: () => ioas.joins,
    findSource: () => (held.hasSiblings ? (request) => held.sourceOf(request) : undefined),
    putMap(batch, request) {
      const file = fileOf(request);
      if (file === undefined) {
        putMapByVa(batch, request, target);
      } else {
        batch.mapFile(request.range, file.fd, request.fileOffset, request.writable);
      }
    },
    afterMaps(requests, first, end) {
      for (let index = first; index < end; index++) {
        held.add(requests[index] as DmaMapRequest);
      }
    },
    afterUnmaps(ranges, first, end) {
      for (let index = first; index < end; index++) {
        held.remove(ranges[index] as MemoryRange);
      }
    },
    /** The kernel stops at the first mapping that it cannot unmap, after unmapping those before it. So each mapping is unmapped separately. */
    finishUnmap(errno, range) {
      const mapped = held.overlapping(range);
      const whole = mapped.filter((one) => range.contains(one));
      return whenDone(calls.unmapEach(whole), (errnos) => {
        const stuck = mapped.filter((one) => !range.contains(one));
        let why = errno;
        whole.forEach((one, row) => {
          const own = errnos[row] ?? 0;
          if (own === 0 || own === ENOENT) {
            held.remove(one);
          } else {
            why = own;
            stuck.push(one);
          }
        });
        return stuck.length === 0 ? undefined : stuckError(unmapError(why, range, kernel), range, stuck);
      });
    },
  };
  return kernel;
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
