import {
  DmaError,
  type HostVa,
  type MapChange,
  MemoryRange,
  type ReleaseFailure,
  type VaMapper,
} from '../../streams/index.js';
import { ERRNO, PAGE_SIZE, pagesOfBytes } from '../../streams/internal.js';
import { checkAddress, checkBytes, checkLength, checkRange, checkSize } from '../checks.js';
import { copyError, reserveError, viewError } from './address-space-errors.js';
import { closedError } from '../errors.js';
import { HeldMappings } from './held-mappings.js';
import { native } from '../native.js';
import type { SpaceHandle } from '../native.js';
import { ReleasedViews } from './released-views.js';
import { SpaceMapper } from './space-mapper.js';
import type { SpaceAccess } from './space-access.js';
import { SpaceReleaser } from './space-releaser.js';

/** For reads of more bytes than this, the range is checked before the buffer is allocated. */
const LARGE_READ = 1 << 20;

/**
 * Guest memory in this process: one reservation of host virtual addresses, in which memory is mapped at base + GPA.
 *
 * The reservation uses no memory, whatever its size. Unmapped parts are inaccessible, and the kernel places no other mapping of the process
 * there. Use it only on the thread that created it.
 *
 * @example
 * ```ts
 * import { MemoryRange } from 'dma-streams';
 * import { AddressSpace } from 'dma-streams/binding';
 *
 * using space = new AddressSpace({ size: 1n << 40n });
 * space.ensureMapped({ range: MemoryRange.of(0, 0x10000), region: 'ram', type: 'ram', writable: true, backing: 'private' });
 * space.write(0x1000n, Buffer.from('hello'));
 * ```
 */
export class AddressSpace implements VaMapper, Disposable {
  /** In bytes. Guest physical addresses in [0, size) can be mapped. */
  readonly size: bigint;
  #space: SpaceHandle | undefined;
  readonly #held: HeldMappings;
  readonly #mapper: SpaceMapper;
  readonly #releaser: SpaceReleaser;
  readonly #views = new ReleasedViews();

  /**
   * @param options.size in bytes, a multiple of 4096, larger than all guest physical addresses. 1 TiB uses no memory.
   * @throws RangeError if `size` is not positive, or not a multiple of 4096
   * @throws DmaError `ENOMEM` if the process has no free address range of that size; `ERR_ADDON_MISSING`
   */
  constructor(options: { readonly size: bigint }) {
    const { size } = options;
    checkSize(size, 'size', PAGE_SIZE);
    const space = native().addressSpaceReserve(size);
    if (typeof space === 'number') {
      throw reserveError(space, size);
    }
    this.size = size;
    this.#space = space;
    const id = native().addressSpaceId(space);
    const access: SpaceAccess = {
      open: () => this.#open(),
      checkInside: (range) => {
        this.#checkInside(range);
      },
      openId: () => {
        this.#open();
        return id;
      },
      read: (gpa, length) => this.read(gpa, length),
      write: (gpa, data) => {
        this.write(gpa, data);
      },
    };
    this.#held = new HeldMappings(access, Number(native().addressSpaceBase(space)));
    this.#releaser = new SpaceReleaser(access, this.#held, this.#views);
    this.#mapper = new SpaceMapper(access, this.#held, this.#releaser);
  }

  /**
   * Maps the backing of the range, shared. For private memory, allocates zeroed memory. The mapping is read-only if not writable.
   *
   * It is placed at base + GPA, or elsewhere if an earlier view of that range may still be in use (see `view`).
   *
   * If the same mapping exists (range, mappable object, file offset, writable), nothing changes, and the same object is returned.
   *
   * On failure: nothing is mapped.
   *
   * @throws DmaError `EEXIST` if a different mapping overlaps; `EFAULT` beyond the end of the file; `EACCES` if the file is not open with
   * the required access; `EPERM` if it is sealed against writing; `ENODEV` if it cannot be mapped; `EINVAL` if the file offset is not
   * a multiple of the page size of the file; `ENOMEM`; `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  ensureMapped(change: MapChange): HostVa {
    return this.#mapper.ensureMapped(change);
  }

  /**
   * Does the same as `ensureMapped` for each change, in order, and continues after failures. It makes one native call, which checks each
   * file once. Ranges that are contiguous in the address space and in the file are mapped with one system call.
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
   * Does the same as `release` for each range, and continues after failures. It makes one native call, and one system call for all ranges
   * that have no other mapping between them.
   *
   * More than 4 MiB, or more than 256 ranges, are released on another thread, so that the event loop is not blocked. Accesses to the ranges
   * fail from the call on (`EFAULT`). Until the promise resolves, mapping or releasing there fails (`EBUSY`). Closing the address space
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
   * the exhausted resource. `ERR_CLOSED`
   */
  read(gpa: bigint, length: number): Buffer {
    const space = this.#open();
    checkAddress(gpa, 'gpa');
    checkLength(length, 'length');
    if (length > LARGE_READ && this.#firstFault(space, gpa, length, false) !== undefined) {
      throw this.#copyError(ERRNO.EFAULT, 'read', gpa, length);
    }
    const buffer = Buffer.allocUnsafe(length);
    const result = native().addressSpaceRead(space, gpa, buffer);
    if (result < 0) {
      throw this.#copyError(result, 'read', gpa, length);
    }
    return buffer;
  }

  /**
   * Copies into guest memory. On failure: the bytes before the failing one may have been written.
   *
   * @throws DmaError `EFAULT` as in `read`; `EACCES` if a byte is read-only; `ERR_CLOSED`
   */
  write(gpa: bigint, data: Uint8Array): void {
    const space = this.#open();
    checkAddress(gpa, 'gpa');
    checkBytes(data, 'data');
    const result = native().addressSpaceWrite(space, gpa, data);
    if (result < 0) {
      throw this.#copyError(result, 'write', gpa, data.byteLength);
    }
  }

  /**
   * A live view of guest memory. It becomes empty (`byteLength` 0) when a mapping in the range is released, or the space is closed. While
   * any asynchronous job of Node.js is pending in this thread, it shows zeros instead, and becomes empty soon after the last job.
   *
   * No JavaScript access to a view may crash the process. So the range must be mapped, writable, and no other process may be able to remove
   * its pages: private memory, `memfd_secret`, or a file sealed with `F_SEAL_SHRINK` (as by `Memfd.create`) without huge pages. Use `read`
   * and `write` for other memory. The length is at most 4 GiB.
   *
   * A view can be passed to any job of Node.js, such as `zlib.gzip(view)` or `fs.write`. If the memory is released during the job, the job
   * reads the old bytes or zeros, and its writes are lost. The addresses are not reused until the job has ended and the view was garbage
   * collected. The same holds for a buffer that was transferred to another thread (`structuredClone` with `transfer`). Until then, each
   * such range counts as a memory area of the process (`vm.max_map_count`).
   *
   * With `vm.overcommit_memory=2`, the first access to a page of a memfd fails if no more memory can be committed. This kills the process
   * (`SIGBUS`). See SECURITY.md.
   *
   * @throws DmaError `EFAULT` if a page is not mapped; `EACCES` if one is read-only; `EOPNOTSUPP` if the file can lose pages;
   * `EADDRNOTAVAIL` if the range has several mappings that are not contiguous in host memory; `E2BIG` above 4 GiB; `ERR_CLOSED`
   */
  view(range: MemoryRange): Uint8Array {
    const space = this.#open();
    checkRange(range, 'range');
    this.#checkInside(range);
    const buffer = native().addressSpaceView(space, range.startPage, range.endPage);
    if (typeof buffer === 'number') {
      throw viewError(buffer, range, this.#firstFault(space, range.start, Number(range.length), true));
    }
    this.#views.expect(buffer);
    return new Uint8Array(buffer);
  }

  /**
   * Unmaps everything, empties the views, and releases the addresses. Calling it again has no effect.
   *
   * When it returns, all memory is inaccessible. The pages of large mappings are freed on another thread. Addresses of views that may
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
    const handle = this.#open();
    const end = Number(this.size / PAGE_SIZE);
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

  #open(): SpaceHandle {
    if (this.#space === undefined) {
      throw closedError('this address space');
    }
    return this.#space;
  }

  #checkInside(range: MemoryRange): void {
    if (range.end > this.size) {
      throw new DmaError(`the address space ends at 0x${this.size.toString(16)}`, {
        code: 'ERR_BEYOND_ADDRESS_SPACE',
        range,
        hint: `Make it at least 0x${range.end.toString(16)} bytes long: new AddressSpace({ size }). Reserved addresses cost no memory.`,
      });
    }
  }

  #copyError(errno: number, access: 'read' | 'write', gpa: bigint, length: number): DmaError {
    const fault = this.#firstFault(this.#open(), gpa, length, access === 'write');
    const end = gpa + BigInt(length);
    const held = fault !== undefined || end > this.size ? [] : this.#held.overlapping(pagesOfBytes(gpa, end));
    return copyError(errno, access, gpa, length, fault, held);
  }

  /** The first page of these bytes that cannot be read (or written). */
  #firstFault(space: SpaceHandle, gpa: bigint, length: number, writable: boolean): MemoryRange | undefined {
    const end = gpa + BigInt(length);
    if (length === 0 || end > this.size) {
      return gpa >= this.size || length === 0
        ? undefined
        : this.#firstFault(space, gpa, Number(this.size - gpa), writable);
    }
    const endPage = Number((end + PAGE_SIZE - 1n) / PAGE_SIZE);
    const page = native().addressSpaceFirstFault(space, Number(gpa / PAGE_SIZE), endPage, writable);
    return page < 0 ? undefined : MemoryRange.ofPages(page, page + 1);
  }
}
