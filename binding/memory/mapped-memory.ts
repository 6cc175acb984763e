import {
  type DmaError,
  type HostVa,
  type MapChange,
  MemoryRange,
  type ReleaseFailure,
  type VaMapper,
} from '../../streams/index.js';
import { ERRNO, PAGE_SIZE, pagesOfBytes, printable } from '../../streams/internal.js';
import { checkBytes, checkRange, toByteCount, toBytes } from '../checks.js';
import { copyError, viewError } from './address-space-errors.js';
import { closedError } from '../errors.js';
import type { GuestMemory } from './guest-memory.js';
import { HeldMappings } from './held-mappings.js';
import { native } from '../native.js';
import type { SpaceHandle } from '../native.js';
import { ReleasedViews } from './released-views.js';
import { SpaceMapper } from './space-mapper.js';
import type { SpaceAccess } from './space-access.js';
import { SpaceReleaser } from './space-releaser.js';

/** For reads of more bytes than this, the range is checked before the buffer is allocated. */
const LARGE_READ = 1 << 20;

/** What the class of the memory decides. */
export interface MemoryKind {
  /** For messages: `'this address space'`. */
  readonly name: string;
  /** Guest physical addresses in [0, end) can be mapped. */
  readonly end: bigint;
  /** The error for a range that reaches beyond the end. */
  beyond(range: MemoryRange): DmaError;
  /** See `SpaceAccess`. */
  readonly areasOfMapping: number;
}

/** Guest memory that is mapped in this process: what `AddressSpace` and `RamBlocks` have in common. They differ in where mappings are placed. */
export abstract class MappedMemory implements VaMapper, GuestMemory, Disposable {
  readonly #end: bigint;
  #space: SpaceHandle | undefined;
  readonly #access: SpaceAccess;
  readonly #held: HeldMappings;
  readonly #mapper: SpaceMapper;
  readonly #releaser: SpaceReleaser;
  readonly #views = new ReleasedViews();

  /** @internal */
  protected constructor(space: SpaceHandle, kind: MemoryKind) {
    this.#end = kind.end;
    this.#space = space;
    const id = native().addressSpaceId(space);
    const open = (): SpaceHandle => {
      if (this.#space === undefined) {
        throw closedError(kind.name);
      }
      return this.#space;
    };
    const isOpen = (): boolean => this.#space !== undefined;
    const endPage = Number(kind.end / PAGE_SIZE);
    this.#access = {
      get isOpen() {
        return isOpen();
      },
      areasOfMapping: kind.areasOfMapping,
      open,
      checkInside: (range) => {
        if (range.endPage > endPage) {
          throw kind.beyond(range);
        }
      },
      openId: () => {
        open();
        return id;
      },
      read: (gpa, length) => this.read(gpa, length),
      write: (gpa, data) => {
        this.write(gpa, data);
      },
    };
    this.#held = new HeldMappings(this.#access);
    this.#releaser = new SpaceReleaser(this.#access, this.#held, this.#views);
    this.#mapper = new SpaceMapper(this.#access, this.#held, this.#releaser);
  }

  /**
   * Maps the backing of the range, shared. For private memory, allocates zeroed memory. The mapping is read-only if not writable.
   *
   * If the same mapping exists (range, mappable object, file offset, writable), nothing changes, and the same object is returned.
   *
   * On failure: nothing is mapped.
   *
   * @throws DmaError `EEXIST` if a different mapping overlaps; `EFAULT` beyond the end of the file; `EACCES` if the file is not open with
   * the required access; `EPERM` if it is sealed against writing; `ENODEV` if it cannot be mapped; `EINVAL` if the file offset is not
   * a multiple of 4096; `EOVERFLOW` beyond file offset 2^63; `ENOMEM`, also at the limit of `vm.max_map_count`; `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  ensureMapped(change: MapChange): HostVa {
    return this.#mapper.ensureMapped(change);
  }

  /**
   * Does the same as `ensureMapped` for each change, in order, and continues after failures. It makes one native call, which checks each
   * file once.
   *
   * @returns for each change the address, or the error that `ensureMapped` would throw
   * @throws TypeError if `changes` is not an array; DmaError `ERR_CLOSED`. In both cases nothing is mapped
   */
  ensureMappedBatch(changes: readonly MapChange[]): readonly (HostVa | Error)[] {
    return this.#mapper.ensureMappedBatch(changes);
  }

  /**
   * Unmaps all mappings inside the range, and empties their views. The contents of private memory are lost. A range without mappings is
   * accepted.
   *
   * The call is synchronous, even if it takes long; `releaseBatch` releases large ranges on another thread.
   *
   * On failure: mappings that were already unmapped stay unmapped. The `HostVa` of the others becomes invalid, and their release is retried
   * before anything is mapped there, so that a later mapping never exposes the old memory.
   *
   * @throws DmaError `EINVAL` if the range contains only a part of a mapping, `EBUSY` if another thread is releasing memory in it: nothing
   * changes; `ENOMEM` at the limit of `vm.max_map_count`; `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  release(range: MemoryRange): void {
    this.#releaser.release(range);
  }

  /**
   * Does the same as `release` for each range, and continues after failures. It makes one native call, and as few system calls
   * as possible.
   *
   * More than 4 MiB, or more than 256 ranges, are released on another thread, so that the event loop is not blocked. Accesses to the ranges
   * fail from the call on (`EFAULT`). Until the promise resolves, mapping or releasing there fails (`EBUSY`). Closing the memory
   * during that time is safe.
   *
   * @returns the ranges that failed, with the error that `release` would throw; `undefined` if none failed; for work on another thread a
   * promise of that, which never rejects
   * @throws TypeError if `ranges` is not an array; DmaError `ERR_CLOSED`. In both cases nothing is released
   */
  releaseBatch(
    ranges: readonly MemoryRange[],
  ): readonly ReleaseFailure[] | undefined | Promise<readonly ReleaseFailure[] | undefined> {
    return this.#releaser.releaseBatch(ranges);
  }

  /**
   * Copies from guest memory. If another process has truncated the file, or a page cannot be allocated, an error is thrown; the process
   * gets no signal.
   *
   * @param gpa guest physical address, in bytes
   * @param length in bytes
   * @throws DmaError `EFAULT` if a byte is not mapped, is beyond the end of its file, or its page cannot be allocated; the hint names
   * the exhausted resource. `ERANGE` beyond the end of guest memory; `ERR_CLOSED`
   */
  read(gpa: bigint | number, length: bigint | number): Buffer {
    const space = this.#access.open();
    const start = toBytes(gpa, 'gpa');
    const count = toByteCount(length, 'length');
    if (count > LARGE_READ && this.#firstFault(space, start, count, false) !== undefined) {
      throw this.#copyError(ERRNO.EFAULT, 'read', start, count);
    }
    const buffer = Buffer.allocUnsafe(count);
    const result = native().addressSpaceRead(space, start, buffer);
    if (result < 0) {
      throw this.#copyError(result, 'read', start, count);
    }
    return buffer;
  }

  /**
   * Copies into guest memory. On failure: the bytes before the failing one may have been written.
   *
   * @throws DmaError `EFAULT` and `ERANGE` as in `read`; `EACCES` if a byte is read-only; `ERR_CLOSED`
   */
  write(gpa: bigint | number, data: Uint8Array): void {
    const space = this.#access.open();
    const start = toBytes(gpa, 'gpa');
    checkBytes(data, 'data');
    const result = native().addressSpaceWrite(space, start, data);
    if (result < 0) {
      throw this.#copyError(result, 'write', start, data.byteLength);
    }
  }

  /**
   * A live view of guest memory: of one mapping, or of several that are contiguous in host memory. It becomes empty (`byteLength` 0) when a
   * mapping in the range is released, or the memory is closed. While any asynchronous job of Node.js is pending in this thread, it stays
   * accessible, and becomes empty soon after the last job.
   *
   * No JavaScript access to a view may crash the process. So the range must be mapped, writable, and no other process may be able to remove
   * its pages: private memory, `memfd_secret`, or a file sealed with `F_SEAL_SHRINK` (as by `Memfd.create`) without huge pages. Use `read`
   * and `write` for other memory. The length is at most 4 GiB.
   *
   * A view can be passed to any job of Node.js, such as `zlib.gzip(view)` or `fs.write`. The addresses are not reused until the job has ended
   * and the view was garbage collected. The same holds for a buffer that was transferred to another thread (`structuredClone` with
   * `transfer`). What such a job or buffer reaches after the release depends on the class: see `AddressSpace` and `RamBlocks`.
   *
   * With `vm.overcommit_memory=2`, the first access to a page of a memfd fails if no more memory can be committed. This kills the process
   * (`SIGBUS`). See SECURITY.md.
   *
   * @throws DmaError `EFAULT` if a page is not mapped; `EACCES` if one is read-only; `EOPNOTSUPP` if the file can lose pages;
   * `EADDRNOTAVAIL` if the range has several mappings that are not contiguous in host memory; `E2BIG` above 4 GiB;
   * `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  view(range: MemoryRange): Uint8Array {
    const space = this.#access.open();
    checkRange(range, 'range');
    this.#access.checkInside(range);
    const buffer = native().addressSpaceView(space, range.startPage, range.endPage);
    if (typeof buffer === 'number') {
      throw viewError(buffer, range, this.#firstFault(space, range.start, Number(range.length), true));
    }
    this.#views.expect(buffer);
    return new Uint8Array(buffer);
  }

  /**
   * Releases everything, and empties the views. Calling it again has no effect.
   *
   * When it returns, no memory can be accessed through this object. The pages of large mappings are freed on another thread. Addresses of views that may
   * still be in use stay reserved until they are unused (see `view`).
   */
  close(): void {
    const space = this.#space;
    this.#space = undefined;
    if (space !== undefined) {
      this.#views.during(space, () => native().addressSpaceClose(space));
    }
    this.#held.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The mapped guest physical ranges, ascending. Adjacent mappings are not merged.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  mappedRanges(): readonly MemoryRange[] {
    const handle = this.#access.open();
    const end = Number(this.#end / PAGE_SIZE);
    const ranges: MemoryRange[] = [];
    for (let page = 0; page < end;) {
      const found = native().addressSpaceOverlap(handle, page, end);
      if (found === undefined) {
        break;
      }
      ranges.push(MemoryRange.ofPages(...found));
      page = found[1];
    }
    return ranges;
  }

  #copyError(errno: number, access: 'read' | 'write', gpa: bigint, length: number): DmaError {
    const fault = this.#firstFault(this.#access.open(), gpa, length, access === 'write');
    const end = gpa + BigInt(length);
    const held = fault !== undefined || end > this.#end ? [] : this.#held.overlapping(pagesOfBytes(gpa, end));
    return copyError(errno, access, gpa, length, fault, held);
  }

  /** The first page of these bytes that cannot be read (or written). */
  #firstFault(space: SpaceHandle, gpa: bigint, length: number, writable: boolean): MemoryRange | undefined {
    const end = gpa + BigInt(length);
    if (length === 0 || end > this.#end) {
      return gpa >= this.#end || length === 0
        ? undefined
        : this.#firstFault(space, gpa, Number(this.#end - gpa), writable);
    }
    const endPage = Number((end + PAGE_SIZE - 1n) / PAGE_SIZE);
    const page = native().addressSpaceFirstFault(space, Number(gpa / PAGE_SIZE), endPage, writable);
    return page < 0 ? undefined : MemoryRange.ofPages(page, page + 1);
  }

  static {
    printable(this, (memory) => ({ end: memory.#end, closed: memory.#space === undefined }));
  }
}
