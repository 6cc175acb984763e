import { createRequire } from 'node:module';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DmaError } from '../streams/index.js';

/** An object that stands for a native one. The addon recognises its own by their type tag and refuses all others. */
interface Handle<Kind extends string> {
  readonly handle: Kind;
}
export type FileHandle = Handle<'file'>;
export type SpaceHandle = Handle<'address space'>;
export type ContainerHandle = Handle<'container'>;
export type GroupHandle = Handle<'group'>;
export type DeviceHandle = Handle<'device'>;
export type IommufdHandle = Handle<'iommufd'>;

/**
 * The whole native face: the functions of the addon as they are.
 *
 * They answer as the kernel does: a negative number is an error number (`errors.ts` makes the error object), and throw a
 * `TypeError` only for an argument of the wrong kind. After its close function a handle is refused with -EBADF. Page numbers
 * are addresses divided by 4096; a range is given by its first page and the page after its last.
 */
export interface Native {
  /** `memfd_create`; closed on exec. */
  memfdCreate(name: string, flags: number): FileHandle | number;
  /** `fcntl(F_DUPFD_CLOEXEC)` */
  fileDuplicate(fd: number): FileHandle | number;
  fileTruncate(file: FileHandle, size: bigint): number;
  /** `fcntl(F_ADD_SEALS)` */
  fileSeal(file: FileHandle, seals: number): number;
  /** Reserves the huge pages of a file: fails now if there are not enough, rather than at the first touch. */
  fileReserve(file: FileHandle, size: bigint): number;
  /** `fallocate`: the missing pages of the range, in bytes. `later`: on another thread; the promise never rejects. */
  fileAllocate(file: FileHandle, offset: bigint, length: bigint, later: false): number;
  fileAllocate(file: FileHandle, offset: bigint, length: bigint, later: true): Promise<number> | number;
  fileFd(file: FileHandle): number;
  /** `allocated`: bytes that its pages, or its blocks on a disk, take up. */
  fileStatus(file: FileHandle): { readonly size: bigint; readonly mode: number; readonly allocated: bigint } | number;
  fileClose(file: FileHandle): number;

  /** Reserves host virtual addresses; they cost no memory. */
  addressSpaceReserve(size: bigint): SpaceHandle | number;
  /** The host virtual address of GPA 0. */
  addressSpaceBase(space: SpaceHandle): bigint | number;
  /** What a row of a batch names it by. */
  addressSpaceId(space: SpaceHandle): number;
  /**
   * `fd` -1 is private memory. The kernel joins neighbours to one memory area only where they were mapped through the same open file:
   * `fileNumber` is the same for those, and 0 where that is not known. 0, or 1 when the mapping is displaced: an earlier view may still reach base + GPA, and so it lies elsewhere
   * (see `addressSpaceAddress`).
   */
  addressSpaceMap(
    space: SpaceHandle,
    startPage: number,
    endPage: number,
    fd: number,
    fileOffset: bigint,
    writable: boolean,
    name: string,
    fileNumber: number,
  ): number;
  /** -EINVAL when the range cuts a mapping, -EBUSY when something in it is being released on another thread. */
  addressSpaceRelease(space: SpaceHandle, startPage: number, endPage: number): number;
  /**
   * The first `count` rows of `rows`, each whatever became of the others: `results` says of each what `addressSpaceMap` would. Four numbers
   * each: first page, page after the last, fileNumber * 2^32 + fd * 2 + (1 when writable), file offset. None is
   * private memory.
   */
  addressSpaceMapRows(space: SpaceHandle, rows: Float64Array, results: Int32Array, count: number): number;
  /** As `addressSpaceMapRows`, to release. Two numbers each: first page, page after the last. */
  addressSpaceReleaseRows(space: SpaceHandle, rows: Float64Array, results: Int32Array, count: number): number;
  /**
   * As `addressSpaceReleaseRows`, on another thread: `results` says which rows are refused, with -EINVAL or -EBUSY; what became of the others
   * is in what the promise resolves to. It never rejects.
   */
  addressSpaceReleaseLater(
    space: SpaceHandle,
    rows: Float64Array,
    results: Int32Array,
    count: number,
  ): Promise<Int32Array> | number;
  /** The host virtual address of the mapping that begins at this page; 0 when none does. */
  addressSpaceAddress(space: SpaceHandle, startPage: number): number;
  /** Memory areas that all address spaces make of this process, whatever their thread, as the kernel counts them. */
  addressSpaceAreas(): number;
  /** From now on a release that would make more of them is refused with -ENOMEM, and its memory stays mapped. */
  addressSpaceLimitAreas(limit: number): void;
  /** The first mapping that overlaps. */
  addressSpaceOverlap(space: SpaceHandle, startPage: number, endPage: number): readonly [number, number] | undefined;
  /** The first page that is not mapped, or not writable when that is asked for; -1 when there is none. */
  addressSpaceFirstFault(space: SpaceHandle, startPage: number, endPage: number, writable: boolean): number;
  addressSpaceRead(space: SpaceHandle, gpa: bigint, to: Uint8Array): number;
  addressSpaceWrite(space: SpaceHandle, gpa: bigint, from: Uint8Array): number;
  addressSpaceView(space: SpaceHandle, startPage: number, endPage: number): ArrayBuffer | number;
  /**
   * Empties the views of released memory, unless a job of Node is under way, and answers how many wait. `mayEmpty` says whether they may be
   * emptied from here; it counts for the releases that follow, too.
   */
  addressSpaceEmptyViews(space: SpaceHandle, mayEmpty: boolean): number;
  addressSpaceClose(space: SpaceHandle): number;

  vfioContainerOpen(): ContainerHandle | number;
  /** Whether the container knows an extension: 1 or 0; -EPROTO for an unknown version of the interface. */
  vfioContainerSupports(container: ContainerHandle, extension: number): number;
  vfioContainerSetIommu(container: ContainerHandle, type: number): number;
  /** -EINVAL before the container has an IOMMU. `iovaRanges` holds start and last of each. */
  vfioContainerInfo(container: ContainerHandle):
    | {
        readonly pageSizes: bigint;
        readonly iovaRanges?: BigUint64Array;
        readonly dmaEntriesAvailable?: number;
      }
    | number;
  vfioContainerClose(container: ContainerHandle): number;

  vfioGroupOpen(number: number): GroupHandle | number;
  /** Flags. */
  vfioGroupStatus(group: GroupHandle): number;
  vfioGroupSetContainer(group: GroupHandle, container: ContainerHandle): number;
  vfioGroupUnsetContainer(group: GroupHandle): number;
  vfioGroupOpenDevice(group: GroupHandle, name: string): DeviceHandle | number;
  vfioGroupClose(group: GroupHandle): number;

  /** Opens `/dev/vfio/devices/vfioN`. */
  vfioDeviceOpen(number: number): DeviceHandle | number;
  vfioDeviceBindIommufd(device: DeviceHandle, iommufd: IommufdHandle): number;
  vfioDeviceAttach(device: DeviceHandle, ioas: number): number;
  vfioDeviceDetach(device: DeviceHandle): number;
  vfioDeviceRegion(
    device: DeviceHandle,
    index: number,
  ): { readonly size: bigint; readonly offset: bigint; readonly flags: number } | number;
  vfioDeviceRead(device: DeviceHandle, offset: bigint, to: Uint8Array): number;
  vfioDeviceWrite(device: DeviceHandle, offset: bigint, from: Uint8Array): number;
  vfioDeviceReset(device: DeviceHandle): number;
  vfioDeviceFd(device: DeviceHandle): number;
  vfioDeviceClose(device: DeviceHandle): number;

  iommufdOpen(): IommufdHandle | number;
  /** The number of a new IOAS. */
  iommufdAllocateIoas(iommufd: IommufdHandle): number;
  iommufdDestroy(iommufd: IommufdHandle, id: number): number;
  /** Start and last of each range. */
  iommufdIovaRanges(iommufd: IommufdHandle, ioas: number): BigUint64Array | number;
  /** -ENOTTY when the kernel does not know IOMMU_IOAS_MAP_FILE. */
  iommufdProbeMapFile(iommufd: IommufdHandle): number;
  iommufdClose(iommufd: IommufdHandle): number;

  /** A function that runs rows of a `DmaBatch` on a container or an IOAS, until that is closed. */
  containerRunner(container: ContainerHandle): Runner;
  ioasRunner(iommufd: IommufdHandle, ioas: number): Runner;
  /** The same for a single row, which it takes less long to call. */
  containerRowRunner(container: ContainerHandle): RowRunner;
  ioasRowRunner(iommufd: IommufdHandle, ioas: number): RowRunner;
}

/** Runs one row, at once: a negative error number, or how many bytes were unmapped. */
export type RowRunner = (kind: number, iova: number, length: number, source: number) => number;

/**
 * Runs the first `count` rows: how many were run. When they are to be run later, on a thread of their own, a promise of that, or -errno when
 * there can be no thread.
 */
export interface Runner {
  (rows: Float64Array, results: Int32Array, count: number, stopAtFailure: boolean, later: false): number;
  (
    rows: Float64Array,
    results: Int32Array,
    count: number,
    stopAtFailure: boolean,
    later: true,
  ): Promise<number> | number;
}

let loaded: Native | undefined;

/**
 * The addon, loaded at the first call: what needs no native code works where it cannot be built.
 *
 * @throws DmaError `ERR_ADDON_MISSING`, with the command that builds it
 */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  // Two folders up from dist/binding.
  const root = fileURLToPath(new URL('../../', import.meta.url));
  try {
    const require = createRequire(import.meta.url);
    const find = require('node-gyp-build') as (folder: string) => Native;
    return find(root);
  } catch (cause) {
    const build = root.includes(`${sep}node_modules${sep}`)
      ? '`npm explore dma-streams -- npm run build:native`, in the folder of the program that depends on it'
      : `\`npm run build:native\`, in ${root}`;
    throw new DmaError('the native addon of dma-streams is not built, or cannot be loaded', {
      code: 'ERR_ADDON_MISSING',
      hint:
        process.platform === 'linux'
          ? `Build it with ${build}. It needs a C++20 compiler, make and Python 3 (Debian, Ubuntu: apt install g++ make python3).`
          : `It exists for Linux only; this is ${process.platform}.`,
      cause,
    });
  }
}
