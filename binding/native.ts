import { loadAddon } from './addon.js';
import type {
  ContainerHandle,
  DeviceHandle,
  FileHandle,
  GroupHandle,
  IommufdHandle,
  SpaceHandle,
} from './native-handles.js';
import type { NativeKvm } from './native-kvm.js';
import type { RowRunner, Runner } from './native-runners.js';
import type { NativeSockets } from './native-sockets.js';

export type {
  ContainerHandle,
  DeviceHandle,
  EventFdWatchHandle,
  FileHandle,
  GroupHandle,
  IommufdHandle,
  KvmHandle,
  ListenerHandle,
  SlotsHandle,
  SocketHandle,
  SpaceHandle,
  VcpuHandle,
  VmHandle,
} from './native-handles.js';
export type { RowRunner, Runner } from './native-runners.js';

/**
 * The native interface: all functions of the addon.
 *
 * Like the kernel, they return a negative errno on failure (`errors.ts` makes the error object). They throw only a `TypeError`, for an
 * argument of the wrong type. A closed handle is rejected with -EBADF. Page numbers are addresses divided by 4096. A range is given by its
 * first page and the page after its last.
 */
export interface Native extends NativeKvm, NativeSockets {
  /** `memfd_create`; closed on exec. */
  memfdCreate(name: string, flags: number): FileHandle | number;
  /** `fcntl(F_DUPFD_CLOEXEC)` */
  fileDuplicate(fd: number): FileHandle | number;
  fileTruncate(file: FileHandle, size: bigint): number;
  /** `fcntl(F_ADD_SEALS)` */
  fileSeal(file: FileHandle, seals: number): number;
  /** Reserves the huge pages of a file. Fails here if there are not enough, instead of at the first access. */
  fileReserve(file: FileHandle, size: bigint): number;
  /** `fallocate`: allocates the missing pages of the range, given in bytes. `later`: on another thread; the promise never rejects. */
  fileAllocate(file: FileHandle, offset: bigint, length: bigint, later: false): number;
  fileAllocate(file: FileHandle, offset: bigint, length: bigint, later: true): Promise<number> | number;
  fileFd(file: FileHandle): number;
  /** `allocated`: bytes used by its pages, or by its blocks on a disk. */
  fileStatus(file: FileHandle): { readonly size: bigint; readonly mode: number; readonly allocated: bigint } | number;
  fileClose(file: FileHandle): number;
  /** What decides whether another process can map a file: see `binding/memory/file-facts.ts`. */
  fileFacts(fd: number):
    | {
        readonly regular: boolean;
        readonly size: bigint;
        readonly pageSize: bigint;
        readonly writable: boolean;
        readonly sealed: boolean;
      }
    | number;

  /** Reserves host virtual addresses. This uses no memory. */
  addressSpaceReserve(size: bigint): SpaceHandle | number;
  /** Guest memory whose mappings are places in blocks. All functions of an address space take it. `hugePages`: MADV_HUGEPAGE. */
  ramBlocksCreate(hugePages: boolean): SpaceHandle;
  /** The id of the space in a row of a batch. */
  addressSpaceId(space: SpaceHandle): number;
  /**
   * `fd` -1 is private memory. The kernel merges adjacent mappings into one memory area only if they were mapped through the same open
   * file: `fileNumber` is the same for those, and 0 if that is unknown. Returns the host virtual address.
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
  /** -EINVAL if the range contains only a part of a mapping, -EBUSY if another thread is releasing memory in it. */
  addressSpaceRelease(space: SpaceHandle, startPage: number, endPage: number): number;
  /**
   * Maps the first `count` rows of `rows`, and continues after failures. `results` gets 0 or a negative errno for each row. A row has four
   * numbers: first page, page after the last, fileNumber * 2^32 + fd * 2 + (1 if writable), file offset; the last becomes the host virtual
   * address. Private memory is not supported.
   */
  addressSpaceMapRows(space: SpaceHandle, rows: Float64Array, results: Int32Array, count: number): number;
  /** Releases rows, like `addressSpaceMapRows`. A row has two numbers: first page, page after the last. */
  addressSpaceReleaseRows(space: SpaceHandle, rows: Float64Array, results: Int32Array, count: number): number;
  /**
   * Like `addressSpaceReleaseRows`, on another thread. `results` gets -EINVAL or -EBUSY for each rejected row; the promise resolves to the
   * results of the others. It never rejects.
   */
  addressSpaceReleaseLater(
    space: SpaceHandle,
    rows: Float64Array,
    results: Int32Array,
    count: number,
  ): Promise<Int32Array> | number;
  /** Number of memory areas of all address spaces of this process, on all threads, as the kernel counts them. */
  addressSpaceAreas(): number;
  /** Sets the limit of memory areas. A release that would exceed it fails with -ENOMEM, and its memory stays mapped. */
  addressSpaceLimitAreas(limit: number): void;
  /** The first mapping that overlaps the range. */
  addressSpaceOverlap(space: SpaceHandle, startPage: number, endPage: number): readonly [number, number] | undefined;
  /** The first page that is not mapped, or, if `writable`, not writable; -1 if there is none. */
  addressSpaceFirstFault(space: SpaceHandle, startPage: number, endPage: number, writable: boolean): number;
  addressSpaceRead(space: SpaceHandle, gpa: bigint, to: Uint8Array): number;
  addressSpaceWrite(space: SpaceHandle, gpa: bigint, from: Uint8Array): number;
  addressSpaceView(space: SpaceHandle, startPage: number, endPage: number): ArrayBuffer | number;
  /**
   * Empties the views of released memory, unless a job of Node.js is pending, and returns the number of views that are not emptied yet.
   * `mayEmpty`: whether views may be emptied here, and in the releases that follow.
   */
  addressSpaceEmptyViews(space: SpaceHandle, mayEmpty: boolean): number;
  addressSpaceClose(space: SpaceHandle): number;

  vfioContainerOpen(): ContainerHandle | number;
  /** Whether the container supports an extension: 1 or 0; -EPROTO for an unknown version of the interface. */
  vfioContainerSupports(container: ContainerHandle, extension: number): number;
  vfioContainerSetIommu(container: ContainerHandle, type: number): number;
  /** -EINVAL if the container has no IOMMU. `iovaRanges` has the first and last address of each range. */
  vfioContainerInfo(container: ContainerHandle):
    | {
        readonly pageSizes: bigint;
        readonly iovaRanges?: BigUint64Array;
        readonly dmaEntriesAvailable?: number;
      }
    | number;
  vfioContainerClose(container: ContainerHandle): number;

  vfioGroupOpen(number: number): GroupHandle | number;
  /** The flags of the group. */
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
  /** The id of a new IOAS. */
  iommufdAllocateIoas(iommufd: IommufdHandle): number;
  iommufdDestroy(iommufd: IommufdHandle, id: number): number;
  /** First and last address of each range. */
  iommufdIovaRanges(iommufd: IommufdHandle, ioas: number): BigUint64Array | number;
  /** -ENOTTY if the kernel does not support IOMMU_IOAS_MAP_FILE. */
  iommufdProbeMapFile(iommufd: IommufdHandle): number;
  iommufdClose(iommufd: IommufdHandle): number;

  /** A function that runs rows of a `DmaBatch` on a container or an IOAS. It works until that is closed. */
  containerRunner(container: ContainerHandle): Runner;
  ioasRunner(iommufd: IommufdHandle, ioas: number): Runner;
  /**
   * The same for a single row. A call takes 1,090 instructions, and a call of a runner with one row in its arrays 2,240, without the system
   * call: 5 % of a change that is made alone (counted in the guest of `npm run bench:kernel -- --instructions iommufd-by-file`).
   */
  containerRowRunner(container: ContainerHandle): RowRunner;
  ioasRowRunner(iommufd: IommufdHandle, ioas: number): RowRunner;
}

let loaded: Native | undefined;

/**
 * The addon. It is loaded at the first call, so that code without native calls works where the addon cannot be built.
 *
 * @throws DmaError `ERR_ADDON_MISSING`, `ERR_ADDON_UNUSABLE`, `ERR_LINUX_ONLY`: see {@link loadAddon}
 */
export function native(): Native {
  loaded ??= loadAddon() as Native;
  return loaded;
}
