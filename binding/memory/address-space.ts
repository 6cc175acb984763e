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

/** A read this long is checked before its buffer is made. */
const LARGE_READ = 1 << 20;

/**
 * Guest memory in this process: one reservation of host virtual addresses, in which memory is mapped at base + GPA.
 *
 * The reservation costs no memory, however large. What is not mapped in it is inaccessible, and nothing else of the process
 * can settle there. Use it from the thread that made it.
 */
export class AddressSpace implements VaMapper, Disposable {
  /** Guest physical addresses from 0 up to and without this one can be mapped. */
  readonly size: bigint;
  #space: SpaceHandle | undefined;
  readonly #held: HeldMappings;
  readonly #mapper: SpaceMapper;
  readonly #releaser: SpaceReleaser;
  readonly #views = new ReleasedViews();

  /**
   * @param options.size in bytes, a multiple of 4096: the guest physical addresses to come are below it. 1 TiB costs nothing.
   * @throws RangeError when `size` is not positive, or not a multiple of 4096
   * @throws DmaError `ENOMEM` when the process has no such run of addresses; `ERR_ADDON_MISSING`
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
   * Maps what backs the range, shared; private memory is made, of zeros. Read-only when not writable.
   *
   * It is mapped at base + GPA, unless an earlier view of that place may still be in use (see `view`): then elsewhere.
   *
   * The same mapping again (range, mappable object, file offset, writable) does nothing and gives the same object.
   *
   * On failure: nothing is mapped.
   *
   * @throws DmaError `EEXIST` over a different mapping; `EFAULT` beyond the end of the file; `EACCES` when the file is not
   * open for that; `EPERM` when it is sealed against writing; `ENODEV` when it cannot be mapped; `EINVAL` for a file offset
   * that is not a multiple of the page size of the file; `ENOMEM`; `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  ensureMapped(change: MapChange): HostVa {
    return this.#mapper.ensureMapped(change);
  }

  /**
   * As `ensureMapped` of each, in order, whatever became of those before it; but with one call of native code, which looks at a file once, and
   * maps what is side by side in the address space and in the file with one call of the kernel.
   *
   * @returns of each the address, or the error that `ensureMapped` would have thrown
   * @throws TypeError when it is not an array; DmaError `ERR_CLOSED`. Then nothing was mapped
   */
  ensureMappedBatch(changes: readonly MapChange[]): readonly (HostVa | Error)[] {
    return this.#mapper.ensureMappedBatch(changes);
  }

  /**
   * Takes every mapping inside the range away, and empties their views. Private memory is lost. Over nothing: nothing.
   *
   * It is done when this returns, however long it takes; `releaseBatch` does what is large on another thread.
   *
   * On failure: what was taken away before it stays away. The rest can no longer be reached by its address, and is tried again before
   * anything is mapped there: what comes next never finds the old memory.
   *
   * @throws DmaError `EINVAL` when the range cuts a mapping, `EBUSY` when something in it is being released on another thread: nothing is
   * changed; `ENOMEM` at the limit of `vm.max_map_count`; `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  release(range: MemoryRange): void {
    this.#releaser.release(range);
  }

  /**
   * As `release` of each, whatever became of the others; but with one call of native code, and of the kernel for all that has nothing else
   * mapped in between.
   *
   * More than 4 MiB, or than 256 ranges, are released on another thread, so that the event loop goes on. From the call on nothing of it
   * can be reached (`EFAULT`); until the promise resolves nothing can be mapped there, and no part of it be released (`EBUSY`). Closing the
   * address space meanwhile is safe.
   *
   * @returns those that failed, and why, as `release` would have thrown it; nothing when none did; of what takes long a promise of that,
   * which never rejects
   * @throws TypeError when it is not an array; DmaError `ERR_CLOSED`. Then nothing was released
   */
  releaseBatch(
    ranges: readonly MemoryRange[],
  ): readonly ReleaseFailure[] | undefined | Promise<readonly ReleaseFailure[] | undefined> {
    return this.#releaser.releaseBatch(ranges);
  }

  /**
   * Copies out of guest memory.
   *
   * Memory of a file that another process has cut short, or whose pages cannot be had, is an error and not the end of this process.
   *
   * @param length in bytes
   * @throws DmaError `EFAULT` when a byte is not mapped, its file no longer has it, or a page of it cannot be had; the hint says
   * what is short. `ERR_CLOSED`
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
   * Copies into guest memory.
   *
   * On failure: the bytes before the one that failed may have been written.
   *
   * @throws DmaError `EFAULT` as `read`; `EACCES` when it is read-only; `ERR_CLOSED`
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
   * A live view of guest memory; it becomes empty (`byteLength` 0) when a mapping in the range is released, or the space
   * closed. While an asynchronous job of Node is under way in this thread, whatever its purpose, it shows zeros instead, and becomes
   * empty soon after the last one.
   *
   * Everything that JavaScript can do with it must be harmless, so the range has to be mapped, writable, and unable to lose a page to
   * another process: private memory, a file sealed with `F_SEAL_SHRINK` as those of `Memfd.create` are, but not one of huge pages, or a
   * `memfd_secret`. Use `read` and `write` for the rest. It reaches at most 4 GiB.
   *
   * A view may be given to any job of Node, such as `zlib.gzip(view)` or `fs.write`. A job that is under way when the memory is released
   * finds the old bytes or zeros, and what it writes is lost. The addresses are used for nothing else until the job is done and the view
   * was collected; so is a buffer that was moved to another thread (`structuredClone` with `transfer`). Each such range counts as a
   * memory area of the process (`vm.max_map_count`) until then.
   *
   * With `vm.overcommit_memory=2` the first touch of a page of a memfd fails when nothing more can be committed, and ends the process
   * (`SIGBUS`). SECURITY.md says more.
   *
   * @throws DmaError `EFAULT` when a page is not mapped, `EACCES` when one is read-only, `EOPNOTSUPP` when the file can lose
   * pages, `EADDRNOTAVAIL` when the range has several mappings that do not adjoin in host memory, `E2BIG`, `ERR_CLOSED`
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
   * Unmaps everything, empties the views, and gives the addresses back. Closing it again has no effect.
   *
   * When it returns, nothing can be reached any longer. The pages of large mappings are given back on another thread. Addresses of
   * views that may still be in use are kept until they are not (see `view`).
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
   * What is mapped in it, guest physical and ascending. Neighbours stay apart as they were mapped.
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
