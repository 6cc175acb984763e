import type { MemoryRange } from '../streams/memory-range.js';
import type { HostVa } from '../streams/va-mapper.js';
import { AddressSpace } from './address-space.js';
import { checkAddress, checkFd, checkRange, show } from './check.js';
import { resolveHostVa } from './host-va.js';
import type { SpaceHandle } from './native.js';

/** Numbers in a row: what, IOVA, length, source (see `binding/src/dma_batch.h`). */
const ROW = 4;
const UNMAP = 0n;
const MAP_VA = 1n;
const MAP_FILE = 2n;
const UNMAP_ALL = 3n;
const WRITABLE = 4n;
const SPACE_SHIFT = 8n;
const FD_SHIFT = 32n;

/** Hands the arrays to native code. */
export type RunRows<T> = (spaces: readonly SpaceHandle[], rows: BigUint64Array, results: Int32Array) => T;

/**
 * Maps and unmaps for an IOMMU, to be made in one call: a row each, in order.
 *
 * Filled, run by `VfioContainer.run` or `Ioas.run`, looked at row by row, cleared and filled again: it keeps its memory.
 */
export class DmaBatch {
  #rows: BigUint64Array;
  #results: Int32Array;
  #length = 0;
  #pinned = 0n;
  #running = false;
  #spaces: AddressSpace[] = [];

  /** @param capacity rows to have room for; it grows by itself */
  constructor(capacity = 64) {
    const rows = Math.max(1, Math.trunc(capacity));
    this.#rows = new BigUint64Array(rows * ROW);
    this.#results = new Int32Array(rows);
  }

  /** Rows in it. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that its rows map: what the kernel may have to pin. */
  get bytesToMap(): bigint {
    return this.#pinned;
  }

  /**
   * Maps the memory that `hostVa` stands for, from its first byte, at the I/O virtual addresses `range`. The pointer is
   * computed in native code, from the address space that owns it.
   *
   * @throws DmaError `ERR_INVALID_HOST_VA`; RangeError when the range is longer than the memory
   */
  mapVa(range: MemoryRange, hostVa: HostVa, writable: boolean): void {
    this.#checkIdle();
    checkRange(range, 'range');
    const access = writableBit(writable);
    const origin = resolveHostVa(hostVa);
    if (range.length > origin.range.length) {
      throw new RangeError(`range ${range.toString()} is longer than the memory behind it, ${origin.range.toString()}`);
    }
    let index = this.#spaces.lastIndexOf(origin.space);
    if (index < 0) {
      index = this.#spaces.push(origin.space) - 1;
    }
    const what = MAP_VA | (BigInt(index) << SPACE_SHIFT) | access;
    this.#add(what, range.start, range.length, origin.range.start);
    this.#pinned += range.length;
  }

  /**
   * Maps a memfd at the I/O virtual addresses `range`, without a host virtual address. Of an IOAS only.
   *
   * @param fd has to stay open until the batch is run, or, run on another thread, until that call has returned
   * @param fileOffset in bytes
   */
  mapFile(range: MemoryRange, fd: number, fileOffset: bigint, writable: boolean): void {
    this.#checkIdle();
    checkRange(range, 'range');
    checkFd(fd, 'fd');
    checkAddress(fileOffset, 'fileOffset');
    this.#add(MAP_FILE | (BigInt(fd) << FD_SHIFT) | writableBit(writable), range.start, range.length, fileOffset);
    this.#pinned += range.length;
  }

  /** Unmaps every mapping inside the range, which must not cut one. */
  unmap(range: MemoryRange): void {
    this.#checkIdle();
    checkRange(range, 'range');
    this.#add(UNMAP, range.start, range.length, 0n);
  }

  /** Unmaps everything. */
  unmapAll(): void {
    this.#checkIdle();
    this.#add(UNMAP_ALL, 0n, 0n, 0n);
  }

  /** What became of a row that was run: 0, or a negative error number. */
  errnoAt(row: number): number {
    return this.#results[this.#checkRow(row)] ?? 0;
  }

  /** How many bytes a row that unmaps has unmapped, as far as the kernel says. */
  unmappedAt(row: number): bigint {
    return this.#rows[this.#checkRow(row) * ROW + 2] ?? 0n;
  }

  /** Takes all rows out. */
  clear(): void {
    this.#checkIdle();
    this.#length = 0;
    this.#pinned = 0n;
    this.#spaces = [];
  }

  /** @internal */
  runNow(run: RunRows<number>): number {
    this.#checkIdle();
    return this.#handOver(run);
  }

  /** @internal */
  async runLater(run: RunRows<Promise<number>>): Promise<number> {
    this.#checkIdle();
    this.#running = true;
    try {
      return await this.#handOver(run);
    } finally {
      this.#running = false;
    }
  }

  #handOver<T>(run: RunRows<T>): T {
    const spaces = this.#spaces.map((space) => AddressSpace.handleOf(space));
    return run(spaces, this.#rows.subarray(0, this.#length * ROW), this.#results.subarray(0, this.#length));
  }

  #add(what: bigint, iova: bigint, length: bigint, source: bigint): void {
    const at = this.#length * ROW;
    if (at === this.#rows.length) {
      const rows = new BigUint64Array(this.#rows.length * 2);
      rows.set(this.#rows);
      this.#rows = rows;
      this.#results = new Int32Array(rows.length / ROW);
    }
    this.#rows[at] = what;
    this.#rows[at + 1] = iova;
    this.#rows[at + 2] = length;
    this.#rows[at + 3] = source;
    this.#length += 1;
  }

  #checkIdle(): void {
    if (this.#running) {
      throw new TypeError('this batch is being run on another thread: wait for that');
    }
  }

  #checkRow(row: number): number {
    if (!Number.isInteger(row) || row < 0 || row >= this.#length) {
      throw new RangeError(`row ${show(row)} is not one of the ${this.#length} rows of this batch`);
    }
    return row;
  }
}

function writableBit(writable: boolean): bigint {
  if (typeof writable !== 'boolean') {
    throw new TypeError(`writable is ${show(writable)}, not a boolean`);
  }
  return writable ? WRITABLE : 0n;
}
