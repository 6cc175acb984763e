import type { MapChange } from '../streams/change-set.js';
import { DmaError } from '../streams/errors.js';
import { MemoryRange, PAGE_SIZE } from '../streams/memory-range.js';
import type { Mappable } from '../streams/region.js';
import type { HostVa, VaMapper } from '../streams/va-mapper.js';
import {
  checkAddress,
  checkBytes,
  checkFd,
  checkLabel,
  checkLength,
  checkObject,
  checkRange,
  checkSize,
  show,
} from './check.js';
import { copyError, mapError, reserveError, viewError } from './address-space-errors.js';
import { closedError } from './errors.js';
import { issueHostVa, revokeHostVa } from './host-va.js';
import { checkAreas, countAreas } from './memory-areas.js';
import { native } from './native.js';
import type { SpaceHandle } from './native.js';

/** A read this long is checked before its buffer is made. */
const LARGE_READ = 1 << 20;

const EEXIST = -17;
const EINVAL = -22;

/** What is mapped, as it was asked for. */
interface Held {
  readonly range: MemoryRange;
  readonly mappable: Mappable | undefined;
  readonly fileOffset: bigint;
  readonly writable: boolean;
  readonly hostVa: HostVa;
}

/**
 * Guest memory in this process: one reservation of host virtual addresses, in which everything is mapped at base + GPA.
 *
 * The reservation costs no memory, however large. What is not mapped in it is inaccessible, and nothing else of the process
 * can settle there. Use it from the thread that made it.
 */
export class AddressSpace implements VaMapper, Disposable {
  /** Guest physical addresses from 0 up to and without this one can be mapped. */
  readonly size: bigint;
  #space: SpaceHandle | undefined;
  readonly #base: bigint;
  readonly #id: number;
  /** By first page. */
  readonly #held = new Map<number, Held>();
  /** The pages at which they end. */
  readonly #ends = new Set<number>();
  /** What the kernel did not release: nobody's any longer, and tried again before anything comes to be there. */
  readonly #unreleased = new Set<Held>();

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
    const base = native().addressSpaceBase(space);
    this.size = size;
    this.#space = space;
    this.#base = BigInt(base);
    this.#id = native().addressSpaceId(space);
  }

  /**
   * Maps what backs the range at base + GPA, shared; private memory is made, of zeros. Read-only when not writable.
   *
   * The same mapping again (range, mappable object, file offset, writable) does nothing and gives the same object.
   *
   * On failure: nothing is mapped.
   *
   * @throws DmaError `EEXIST` over a different mapping; `EFAULT` beyond the end of the file; `EACCES` when the file is not
   * open for that; `EPERM` when it is sealed against writing; `ENODEV` when it cannot be mapped; `EINVAL` for a file offset
   * that is not a multiple of the page size of the file; `ENOMEM`; `EBUSY` while a view of earlier memory there lives on in a
   * transferred buffer; `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  ensureMapped(change: MapChange): HostVa {
    const space = this.#open();
    const { range, backing, writable, region } = checkChange(change);
    const mappable = backing === 'private' ? undefined : backing.mappable;
    const fileOffset = backing === 'private' ? 0n : backing.fileOffset;

    if (this.#unreleased.size > 0) {
      this.#releaseAgain(space, range);
    }
    const held = this.#held.get(range.startPage);
    if (
      held !== undefined &&
      held.range.equals(range) &&
      held.mappable === mappable &&
      held.fileOffset === fileOffset &&
      held.writable === writable
    ) {
      return held.hostVa;
    }
    this.#checkInside(range);
    const fd = mappable === undefined ? -1 : mappable.fd;
    if (mappable !== undefined) {
      checkFd(fd, `the fd of "${mappable.label}"`);
    }
    const { startPage, endPage } = range;
    checkAreas(this.#areasOf(range));
    const result = native().addressSpaceMap(space, startPage, endPage, fd, fileOffset, writable, mapsName(region));
    if (result < 0) {
      const overlap = result === EEXIST ? native().addressSpaceOverlap(space, startPage, endPage) : undefined;
      throw mapError(result, change, overlap === undefined ? undefined : this.#held.get(overlap[0])?.range);
    }
    const hostVa = issueHostVa(this.#base + range.start, { space: this, range });
    countAreas(this.#areasOf(range));
    this.#held.set(startPage, { range, mappable, fileOffset, writable, hostVa });
    this.#ends.add(endPage);
    return hostVa;
  }

  /**
   * Takes every mapping inside the range away, and empties their views. Private memory is lost. Over nothing: nothing.
   *
   * On failure: what was taken away before it stays away. The rest can no longer be reached by its address, and is tried again before
   * anything is mapped there: what comes next never finds the old memory.
   *
   * @throws DmaError `EINVAL` when the range cuts a mapping: nothing is changed; `ENOMEM` at the limit of
   * `vm.max_map_count`; `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  release(range: MemoryRange): void {
    const space = this.#open();
    checkRange(range, 'range');
    this.#checkInside(range);
    const result = native().addressSpaceRelease(space, range.startPage, range.endPage);
    this.#forgetReleased(space, range);
    if (result < 0) {
      if (result !== EINVAL) {
        this.#disown(range);
      }
      throw mapError(result, { range }, undefined);
    }
  }

  /**
   * Copies out of guest memory.
   *
   * Memory of a file that another process has cut short is an error, not the end of this process.
   *
   * @param length in bytes
   * @throws DmaError `EFAULT` when a byte is not mapped, or its file no longer has it; `ERR_CLOSED`
   */
  read(gpa: bigint, length: number): Buffer {
    const space = this.#open();
    checkAddress(gpa, 'gpa');
    checkLength(length, 'length');
    if (length > LARGE_READ) {
      this.#checkMapped(space, gpa, length, false);
    }
    const buffer = Buffer.allocUnsafe(length);
    const result = native().addressSpaceRead(space, gpa, buffer);
    if (result < 0) {
      throw copyError(result, 'read', gpa, length, this.#firstFault(space, gpa, length, false));
    }
    return buffer;
  }

  /**
   * Copies into guest memory.
   *
   * On failure: the bytes before the one that failed may have been written.
   *
   * @throws DmaError `EFAULT` when a byte is not mapped, or its file no longer has it; `EACCES` when it is read-only;
   * `ERR_CLOSED`
   */
  write(gpa: bigint, data: Uint8Array): void {
    const space = this.#open();
    checkAddress(gpa, 'gpa');
    checkBytes(data, 'data');
    const result = native().addressSpaceWrite(space, gpa, data);
    if (result < 0) {
      throw copyError(result, 'write', gpa, data.byteLength, this.#firstFault(space, gpa, data.byteLength, true));
    }
  }

  /**
   * A live view of guest memory; it becomes empty (`byteLength` 0) when a mapping in the range is released, or the space
   * closed.
   *
   * Everything that JavaScript can do with it must be harmless, so the range has to be mapped, writable, and unable to
   * shrink: private memory, or a file sealed with `F_SEAL_SHRINK` as those of `Memfd.create` are. Use `read` and `write` for
   * the rest. It reaches at most 4 GiB.
   *
   * @throws DmaError `EFAULT` when a page is not mapped, `EACCES` when one is read-only, `EOPNOTSUPP` when the file may
   * shrink, `E2BIG`, `ERR_CLOSED`
   */
  view(range: MemoryRange): Uint8Array {
    const space = this.#open();
    checkRange(range, 'range');
    this.#checkInside(range);
    const buffer = native().addressSpaceView(space, range.startPage, range.endPage);
    if (typeof buffer === 'number') {
      throw viewError(buffer, range, this.#firstFault(space, range.start, Number(range.length), true));
    }
    return new Uint8Array(buffer);
  }

  /** Unmaps everything, empties the views, and gives the addresses back. Again: nothing. */
  close(): void {
    const space = this.#space;
    this.#space = undefined;
    if (space !== undefined) {
      native().addressSpaceClose(space);
    }
    for (const { range, hostVa } of [...this.#held.values()]) {
      this.#held.delete(range.startPage);
      this.#ends.delete(range.endPage);
      countAreas(-this.#areasOf(range));
      revokeHostVa(hostVa);
    }
    this.#held.clear();
    this.#unreleased.clear();
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

  /**
   * What native code knows it by, for batches, which have host virtual addresses computed there.
   *
   * @throws DmaError `ERR_CLOSED`
   * @internal
   */
  static idOf(space: AddressSpace): number {
    space.#open();
    return space.#id;
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

  #checkMapped(space: SpaceHandle, gpa: bigint, length: number, writable: boolean): void {
    const fault = this.#firstFault(space, gpa, length, writable);
    if (fault !== undefined) {
      throw copyError(-14, 'read', gpa, length, fault);
    }
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

  /** What is left of a range that was released in vain. */
  #disown(range: MemoryRange): void {
    for (const held of this.#held.values()) {
      if (range.contains(held.range)) {
        revokeHostVa(held.hostVa);
        this.#unreleased.add(held);
      }
    }
  }

  #releaseAgain(space: SpaceHandle, range: MemoryRange): void {
    for (const held of [...this.#unreleased]) {
      if (held.range.overlaps(range)) {
        const { startPage, endPage } = held.range;
        const result = native().addressSpaceRelease(space, startPage, endPage);
        if (result < 0) {
          throw mapError(result, { range: held.range }, undefined);
        }
        this.#forgetReleased(space, held.range);
      }
    }
  }

  #forgetReleased(space: SpaceHandle, range: MemoryRange): void {
    const whole = this.#held.get(range.startPage);
    const candidates = whole?.range.equals(range) === true ? [whole] : [...this.#held.values()];
    for (const held of candidates) {
      const { startPage, endPage } = held.range;
      if (range.contains(held.range) && native().addressSpaceOverlap(space, startPage, endPage) === undefined) {
        revokeHostVa(held.hostVa);
        this.#held.delete(startPage);
        this.#ends.delete(endPage);
        this.#unreleased.delete(held);
        countAreas(-this.#areasOf(held.range));
      }
    }
  }

  /** How many memory areas a mapping adds: itself, and what it cuts off of the empty run that it lies in. */
  #areasOf({ startPage, endPage }: MemoryRange): number {
    return 2 - (this.#ends.has(startPage) ? 1 : 0) - (this.#held.has(endPage) ? 1 : 0);
  }
}

function checkChange(value: MapChange): MapChange {
  const change: Readonly<Partial<Record<keyof MapChange, unknown>>> = checkObject(value, 'change');
  checkRange(change.range, 'range');
  checkLabel(change.region, 'region');
  if (typeof change.writable !== 'boolean') {
    throw new TypeError(`writable is ${show(change.writable)}, not a boolean`);
  }
  if (change.backing !== 'private') {
    const backing = checkObject(value.backing, 'backing');
    checkObject(backing.mappable, 'backing.mappable');
    checkAddress(backing.fileOffset, 'backing.fileOffset');
  }
  return value;
}

/** A name that the kernel takes for private memory: printable, without the characters that it reserves, 79 at most. */
function mapsName(region: string): string {
  return `dma-streams ${region}`.replace(/[^\x20-\x7e]|[\\`$[\]]/g, '?').slice(0, 79);
}
