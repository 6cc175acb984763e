import { PAGE_SHIFT, PAGE_SIZE_NUMBER, printable } from '../../streams/internal.js';
import type { HostVa, MemoryRange } from '../../streams/index.js';
import { checkFd, checkRange, show, toBytes } from '../checks.js';
import { CopySource } from './copy-source.js';
import { systemError } from '../errors.js';
import { resolveHostVa } from '../memory/host-va.js';
import type { RowRunner } from '../native.js';
import type { SpaceAccess } from '../memory/space-access.js';

/**
 * Numbers in a row: kind, IOVA, length, source (see `binding/src/iommu/dma_batch.h`). In bytes, as doubles, which are exact for multiples
 * of 4096 below 2^64.
 */
const ROW = 4;
const UNMAP = 0;
const MAP_VA = 1;
const MAP_FILE = 2;
const UNMAP_ALL = 3;
const COPY = 4;
/** Mask of the kind alone. */
const KIND = 7;
const WRITABLE = 8;
/** Factor of the address space id, file descriptor or IOAS id in a kind. */
const INDEX = 16;

/** Passes the arrays to native code, which runs the first `count` rows. */
export type RunRows<T> = (rows: Float64Array, results: Int32Array, count: number) => T;

/**
 * A list of maps and unmaps for an IOMMU, one row each, run in order with one native call of `VfioContainer.run` or `Ioas.run`. The results
 * are read row by row. `clear` keeps the allocated arrays for reuse.
 *
 * @example
 * ```ts
 * import { MemoryRange } from 'dma-streams';
 * import { DmaBatch, Iommufd } from 'dma-streams/binding';
 *
 * using iommufd = Iommufd.open();
 * const batch = new DmaBatch();
 * batch.unmap(MemoryRange.of(0, 0x10000));
 * iommufd.allocIoas().run(batch);
 * console.log(batch.errnoAt(0)); // -2 (ENOENT): nothing was mapped
 * ```
 */
export class DmaBatch {
  #rows: Float64Array;
  #results: Int32Array;
  #length = 0;
  #pages = 0;
  #pagesToMap = 0;
  #running = false;
  readonly #spaces: SpaceAccess[] = [];
  /** Address space of the last row, and its id. Most rows of a batch use the same one. */
  #lastSpace: SpaceAccess | undefined;
  #lastId = 0;
  readonly #sources: CopySource[] = [];

  /** @param capacity initial capacity in rows; it grows as needed. Default: 64 */
  constructor(capacity = 64) {
    const rows = Math.max(1, Math.trunc(capacity));
    this.#rows = new Float64Array(rows * ROW);
    this.#results = new Int32Array(rows);
  }

  /** Number of rows. */
  get length(): number {
    return this.#length;
  }

  /** Total bytes of the rows that map: an upper bound of what the kernel pins. */
  get bytesToMap(): bigint {
    return BigInt(this.#pagesToMap) << PAGE_SHIFT;
  }

  /**
   * Total pages of the rows that map and of the rows that unmap.
   *
   * @internal
   */
  get pages(): number {
    return this.#pages;
  }

  /**
   * The IOASes that its rows copy from.
   *
   * @internal
   */
  get sources(): readonly CopySource[] {
    return this.#sources;
  }

  /**
   * Adds a row that maps the memory of `hostVa`, from its first byte, at the I/O virtual addresses `range`. Native code computes the
   * pointer from the address space that owns the memory.
   *
   * @throws DmaError `ERR_INVALID_HOST_VA`; RangeError if the range is longer than the memory
   */
  mapVa(range: MemoryRange, hostVa: HostVa, writable: boolean): void {
    this.#checkIdle();
    checkRange(range, 'range');
    const access = writableBit(writable);
    const origin = resolveHostVa(hostVa);
    const { space, range: memory } = origin;
    if (range.endPage - range.startPage > memory.endPage - memory.startPage) {
      throw new RangeError(`range ${range.toString()} is longer than the memory behind it, ${memory.toString()}`);
    }
    if (space !== this.#lastSpace) {
      this.#useSpace(space);
    }
    this.#addMap(MAP_VA + access + this.#lastId * INDEX, range, memory.startPage * PAGE_SIZE_NUMBER);
  }

  /**
   * Adds a row that maps a memfd at the I/O virtual addresses `range`, without a host virtual address. Only for an IOAS.
   *
   * @param fd must stay open until `run` or `runAsync` has returned; not until the promise resolves
   * @param fileOffset in bytes; above 2^53 a multiple of 4096
   * @throws TypeError or RangeError if an argument is invalid
   */
  mapFile(range: MemoryRange, fd: number, fileOffset: bigint | number, writable: boolean): void {
    this.#checkIdle();
    checkRange(range, 'range');
    checkFd(fd, 'fd');
    const offset = Number(fileOffset);
    if (typeof fileOffset !== 'bigint' || !(offset >= 0 && offset <= Number.MAX_SAFE_INTEGER)) {
      const exact = toBytes(fileOffset, 'fileOffset');
      if (BigInt(offset) !== exact) {
        throw new RangeError(`fileOffset ${exact} is above 2^53 and no multiple of 4096`);
      }
    }
    this.#addMap(MAP_FILE + fd * INDEX + writableBit(writable), range, offset);
  }

  /**
   * Adds a row that copies the mappings of another IOAS of the same iommufd at the same addresses: one mapping, or several without a gap
   * (`IOMMU_IOAS_COPY`). Both IOASes share the pinned pages, which stay pinned until both have unmapped them. Only for an IOAS.
   *
   * The row fails with `ENOENT` if part of the range is not mapped in the source, and with `EPERM` if it is writable and the source is
   * read-only.
   *
   * @throws DmaError `ERR_CLOSED` if the source was destroyed
   */
  copy(range: MemoryRange, source: CopySource, writable: boolean): void {
    this.#checkIdle();
    checkRange(range, 'range');
    if (!(source instanceof CopySource)) {
      throw new TypeError(`source is ${show(source)}, not an Ioas`);
    }
    source.checkOpen();
    if (!this.#sources.includes(source)) {
      this.#sources.push(source);
    }
    this.#addMap(COPY + source.id * INDEX + writableBit(writable), range, range.startPage * PAGE_SIZE_NUMBER);
  }

  /** Adds a row that unmaps all mappings inside the range. The row fails if the range contains only a part of a mapping. */
  unmap(range: MemoryRange): void {
    this.#checkIdle();
    checkRange(range, 'range');
    const pages = range.endPage - range.startPage;
    this.#add(UNMAP, range.startPage * PAGE_SIZE_NUMBER, pages * PAGE_SIZE_NUMBER, 0);
    this.#pages += pages;
  }

  /** Adds a row that unmaps everything. */
  unmapAll(): void {
    this.#checkIdle();
    this.#add(UNMAP_ALL, 0, 0, 0);
  }

  /** Result of a row that was run: 0, or a negative error number. @throws RangeError if there is no such row */
  errnoAt(row: number): number {
    return this.#results[this.#checkRow(row)] ?? 0;
  }

  /** Number of bytes that an unmap row has unmapped, as reported by the kernel. @throws RangeError if there is no such row */
  unmappedAt(row: number): bigint {
    return BigInt(this.#rows[this.#checkRow(row) * ROW + 2] ?? 0);
  }

  /** @internal */
  isCopyAt(row: number): boolean {
    return ((this.#rows[this.#checkRow(row) * ROW] ?? 0) & KIND) === COPY;
  }

  /** Removes all rows. @throws TypeError while the batch is run on another thread */
  clear(): void {
    this.#checkIdle();
    this.#length = 0;
    this.#pages = 0;
    this.#pagesToMap = 0;
    if (this.#lastSpace !== undefined) {
      this.#spaces.length = 0;
      this.#lastSpace = undefined;
    }
    if (this.#sources.length > 0) {
      this.#sources.length = 0;
    }
  }

  /** @internal */
  runNow(run: RunRows<number>): number {
    this.#checkIdle();
    return this.#handOver(run);
  }

  /** @internal */
  runRow(run: RowRunner): number {
    this.#checkIdle();
    if (this.#lastSpace !== undefined) {
      this.#lastSpace.openId();
    }
    const rows = this.#rows;
    const what = rows[0] as number;
    const answer = run(what, rows[1] as number, rows[2] as number, rows[3] as number);
    this.#results[0] = answer < 0 ? answer : 0;
    if (what === UNMAP || what === UNMAP_ALL) {
      rows[2] = answer < 0 ? 0 : answer;
    }
    return 1;
  }

  /** @internal */
  async runLater(run: RunRows<Promise<number> | number>): Promise<number> {
    this.#checkIdle();
    this.#running = true;
    try {
      const done = this.#handOver(run);
      if (typeof done === 'number') {
        throw systemError(done, {
          what: 'cannot run a batch on another thread',
          syscall: 'pthread_create',
          hint: 'The process may have no more threads: see ulimit -u and TasksMax= of systemd. Nothing of the batch was run.',
        });
      }
      return await done;
    } finally {
      this.#running = false;
    }
  }

  #handOver<T>(run: RunRows<T>): T {
    this.#spaces.forEach((space) => space.openId());
    return run(this.#rows, this.#results, this.#length);
  }

  #useSpace(space: SpaceAccess): void {
    this.#lastId = space.openId();
    this.#lastSpace = space;
    if (!this.#spaces.includes(space)) {
      this.#spaces.push(space);
    }
  }

  #addMap(what: number, { startPage, endPage }: MemoryRange, source: number): void {
    const pages = endPage - startPage;
    this.#add(what, startPage * PAGE_SIZE_NUMBER, pages * PAGE_SIZE_NUMBER, source);
    this.#pages += pages;
    this.#pagesToMap += pages;
  }

  #add(what: number, iova: number, length: number, source: number): void {
    const at = this.#length * ROW;
    if (at === this.#rows.length) {
      const rows = new Float64Array(this.#rows.length * 2);
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

printable(DmaBatch, ({ length, pages, bytesToMap }) => ({ length, pages, bytesToMap }));

function writableBit(writable: boolean): number {
  if (typeof writable !== 'boolean') {
    throw new TypeError(`writable is ${show(writable)}, not a boolean`);
  }
  return writable ? WRITABLE : 0;
}
