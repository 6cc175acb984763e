import { PAGE_SHIFT, PAGE_SIZE_NUMBER } from '../../streams/internal.js';
import type { HostVa, MemoryRange } from '../../streams/index.js';
import { checkAddress, checkFd, checkRange, show } from '../checks.js';
import { CopySource } from './copy-source.js';
import { systemError } from '../errors.js';
import { resolveHostVa } from '../memory/host-va.js';
import type { RowRunner } from '../native.js';
import type { SpaceAccess } from '../memory/space-access.js';

/**
 * Numbers in a row: kind, IOVA, length, source (see `binding/src/iommu/dma_batch.h`). In bytes, as doubles: a multiple of 4096 below 2^64 is exact
 * as one.
 */
const ROW = 4;
const UNMAP = 0;
const MAP_VA = 1;
const MAP_FILE = 2;
const UNMAP_ALL = 3;
const COPY = 4;
const WRITABLE = 8;
/** What the number of an address space, a file descriptor or the number of an IOAS is multiplied by. */
const INDEX = 16;
/** Hands the arrays to native code: the first `count` rows are to be run. */
export type RunRows<T> = (rows: Float64Array, results: Int32Array, count: number) => T;

/**
 * Maps and unmaps for an IOMMU, to be made in one call: a row each, in order.
 *
 * Filled, run by `VfioContainer.run` or `Ioas.run`, looked at row by row, cleared and filled again: it keeps its memory.
 */
export class DmaBatch {
  #rows: Float64Array;
  #results: Int32Array;
  #length = 0;
  #pages = 0;
  #pagesToMap = 0;
  #running = false;
  readonly #spaces: SpaceAccess[] = [];
  /** That of the last row, and its number: most rows of a batch have one. */
  #lastSpace: SpaceAccess | undefined;
  #lastId = 0;
  readonly #sources: CopySource[] = [];

  /** @param capacity rows to have room for; it grows by itself */
  constructor(capacity = 64) {
    const rows = Math.max(1, Math.trunc(capacity));
    this.#rows = new Float64Array(rows * ROW);
    this.#results = new Int32Array(rows);
  }

  /** Rows in it. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that its rows map: what the kernel may have to pin. */
  get bytesToMap(): bigint {
    return BigInt(this.#pagesToMap) << PAGE_SHIFT;
  }

  /**
   * Pages of all its rows: those that map, and those that unmap.
   *
   * @internal
   */
  get pages(): number {
    return this.#pages;
  }

  /**
   * The IOASes that it copies from.
   *
   * @internal
   */
  get sources(): readonly CopySource[] {
    return this.#sources;
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
   * Maps a memfd at the I/O virtual addresses `range`, without a host virtual address. Of an IOAS only.
   *
   * @param fd has to stay open until the batch is run, or, run on another thread, until that call has returned
   * @param fileOffset in bytes; above 2^53 a multiple of 4096
   */
  mapFile(range: MemoryRange, fd: number, fileOffset: bigint, writable: boolean): void {
    this.#checkIdle();
    checkRange(range, 'range');
    checkFd(fd, 'fd');
    const offset = Number(fileOffset);
    if (typeof fileOffset !== 'bigint' || !(offset >= 0 && offset <= Number.MAX_SAFE_INTEGER)) {
      checkAddress(fileOffset, 'fileOffset');
      if (BigInt(offset) !== fileOffset) {
        throw new RangeError(`fileOffset ${fileOffset} is above 2^53 and no multiple of 4096`);
      }
    }
    this.#addMap(MAP_FILE + fd * INDEX + writableBit(writable), range, offset);
  }

  /**
   * Maps what another IOAS of the same iommufd has mapped at the same addresses, as one mapping or as several without a gap
   * (`IOMMU_IOAS_COPY`). The two share the pinned pages, which stay until both have unmapped them. Of an IOAS only.
   *
   * The row fails with `ENOENT` when something of the range is not mapped there, with `EPERM` when it is to be writable and is
   * read-only there.
   *
   * @throws DmaError `ERR_CLOSED` when the source was destroyed
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

  /** Unmaps every mapping inside the range, which must not cut one. */
  unmap(range: MemoryRange): void {
    this.#checkIdle();
    checkRange(range, 'range');
    const pages = range.endPage - range.startPage;
    this.#add(UNMAP, range.startPage * PAGE_SIZE_NUMBER, pages * PAGE_SIZE_NUMBER, 0);
    this.#pages += pages;
  }

  /** Unmaps everything. */
  unmapAll(): void {
    this.#checkIdle();
    this.#add(UNMAP_ALL, 0, 0, 0);
  }

  /** What became of a row that was run: 0, or a negative error number. */
  errnoAt(row: number): number {
    return this.#results[this.#checkRow(row)] ?? 0;
  }

  /** How many bytes a row that unmaps has unmapped, as far as the kernel says. */
  unmappedAt(row: number): bigint {
    return BigInt(this.#rows[this.#checkRow(row) * ROW + 2] ?? 0);
  }

  /** Takes all rows out. */
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

  /**
   * Runs the one row that is in it.
   *
   * @internal
   */
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

function writableBit(writable: boolean): number {
  if (typeof writable !== 'boolean') {
    throw new TypeError(`writable is ${show(writable)}, not a boolean`);
  }
  return writable ? WRITABLE : 0;
}
