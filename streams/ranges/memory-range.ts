import { toInteger } from '../util/bytes.js';
import { show } from '../util/checks.js';
import { madeBy } from '../util/classes.js';
import { hex } from '../util/hex.js';

/** Bytes in a page: the granule of every range, on the host and in an IOMMU (x86-64 and arm64 with 4 KiB pages). */
export const PAGE_SIZE = 4096n;

/** `PAGE_SIZE` as a number. */
export const PAGE_SIZE_NUMBER = 4096;

/** Binary logarithm of `PAGE_SIZE`: `address >> PAGE_SHIFT` is a page number. */
export const PAGE_SHIFT = 12n;

/** Pages in the address space [0, 2^64). A power of two far below 2^53, so every page number is an exact double. */
export const PAGE_LIMIT = 2 ** 52;

const ADDRESS_LIMIT = 1n << 64n;

/**
 * A non-empty range of 4 KiB pages inside [0, 2^64): guest physical addresses, I/O virtual addresses, or offsets in a region. The start is
 * included, the end is not. Immutable.
 *
 * The range is stored as page numbers, which are exact as numbers and can be compared fast. Addresses are returned as `bigint`, which is exact
 * above 2^53 too.
 *
 * @example
 * ```ts
 * import { MemoryRange } from 'dma-streams';
 *
 * const ram = MemoryRange.of(0x0, 0x8000_0000);
 * const page = MemoryRange.ofLength(0x1000, 0x1000);
 * console.log(ram.contains(page), page.toString()); // true 0x1000-0x2000
 * console.log(page.start, page.length); // 4096n 4096n
 * ```
 */
export class MemoryRange {
  /** Number of the first page: `start / 4096`. */
  readonly startPage: number;
  /** Number of the page after the last page: `end / 4096`. 2^52 for a range that ends at the end of the address space. */
  readonly endPage: number;

  static {
    madeBy(this, 'MemoryRange.of or MemoryRange.ofLength');
  }

  private constructor(startPage: number, endPage: number) {
    this.startPage = startPage;
    this.endPage = endPage;
  }

  /**
   * The bytes from `start` up to (not including) `end`.
   *
   * @throws TypeError for what is neither a `bigint` nor a `number`; RangeError if the range is empty, is not page aligned or is not inside [0, 2^64),
   * or a `number` is not a safe integer
   */
  static of(start: bigint | number, end: bigint | number): MemoryRange {
    const startPage = pageOf(start);
    const endPage = pageOf(end);
    return startPage < endPage && startPage >= 0 && endPage <= PAGE_LIMIT
      ? new MemoryRange(startPage, endPage)
      : refuse(toInteger(start, 'start'), toInteger(end, 'end'));
  }

  /**
   * The `length` bytes from `start` on.
   *
   * @throws TypeError, RangeError as {@link MemoryRange.of}
   */
  static ofLength(start: bigint | number, length: bigint | number): MemoryRange {
    const startPage = pageOf(start);
    const endPage = startPage + pageOf(length);
    if (startPage < endPage && startPage >= 0 && endPage <= PAGE_LIMIT) {
      return new MemoryRange(startPage, endPage);
    }
    const first = toInteger(start, 'start');
    const size = toInteger(length, 'length');
    if (size <= 0n) {
      throw new RangeError(`length ${size} of the range at ${hex(first)} is not positive`);
    }
    return refuse(first, first + size);
  }

  /**
   * The whole pages between two addresses, which need not be page aligned: `start` is rounded up and `end`, which is not included, is rounded down.
   * `undefined` if there is no whole page between them.
   *
   * @throws RangeError if `end` is below `start`, one of them is not in [0, 2^64], or a `number` is not a safe integer
   */
  static inside(start: bigint | number, end: bigint | number): MemoryRange | undefined {
    const first = toInteger(start, 'start');
    const last = toInteger(end, 'end');
    if (first < 0n || last > ADDRESS_LIMIT) {
      throw new RangeError(`range ${hex(first)}-${hex(last)} reaches out of the address space [0, 2^64)`);
    }
    if (last < first) {
      throw new RangeError(`range ${hex(first)}-${hex(last)} ends before it starts`);
    }
    const startPage = Number((first + PAGE_SIZE - 1n) / PAGE_SIZE);
    const endPage = Number(last / PAGE_SIZE);
    return startPage < endPage ? new MemoryRange(startPage, endPage) : undefined;
  }

  /**
   * Parses the format of {@link MemoryRange.toString}: `'0x1000-0x5000'`.
   *
   * @throws RangeError if the text does not have this format, or as {@link MemoryRange.of}
   */
  static parse(text: string): MemoryRange {
    const parts = typeof text === 'string' ? /^(0x[0-9a-f]+)-(0x[0-9a-f]+)$/i.exec(text) : null;
    if (parts?.[1] === undefined || parts[2] === undefined) {
      throw new RangeError(`${show(text)} is not a range: write it as '0x1000-0x5000', the end not included`);
    }
    return MemoryRange.of(BigInt(parts[1]), BigInt(parts[2]));
  }

  /**
   * The pages from number `startPage` up to (not including) `endPage`.
   *
   * @throws RangeError if a page number is not an integer in [0, 2^52], or the range is empty
   */
  static ofPages(startPage: number, endPage: number): MemoryRange {
    if (!(
      Number.isInteger(startPage) &&
      Number.isInteger(endPage) &&
      startPage >= 0 &&
      startPage < endPage &&
      endPage <= PAGE_LIMIT
    )) {
      throw new RangeError(`pages ${startPage} to ${endPage} are not a non-empty range of pages below 2^52`);
    }
    return new MemoryRange(startPage, endPage);
  }

  /** Address of the first byte. */
  get start(): bigint {
    return BigInt(this.startPage * PAGE_SIZE_NUMBER);
  }

  /** Address of the byte after the last byte. */
  get end(): bigint {
    return BigInt(this.endPage * PAGE_SIZE_NUMBER);
  }

  /** In bytes. */
  get length(): bigint {
    return BigInt((this.endPage - this.startPage) * PAGE_SIZE_NUMBER);
  }

  /**
   * Whether a range, or the byte at an address, is in this range as a whole.
   *
   * @throws TypeError if it is neither a range nor an address; RangeError if a `number` is not a safe integer
   */
  contains(other: MemoryRange | bigint | number): boolean {
    return other instanceof MemoryRange
      ? this.startPage <= other.startPage && other.endPage <= this.endPage
      : this.#hasByte(other);
  }

  /** Whether the ranges have a page in common. */
  overlaps(other: MemoryRange): boolean {
    if (!(other instanceof MemoryRange)) {
      throw noRangeError(other, 'what overlaps a range');
    }
    return this.startPage < other.endPage && other.startPage < this.endPage;
  }

  /** The pages that are in both ranges; `undefined` if there are none. */
  intersection(other: MemoryRange): MemoryRange | undefined {
    return this.overlaps(other)
      ? new MemoryRange(Math.max(this.startPage, other.startPage), Math.min(this.endPage, other.endPage))
      : undefined;
  }

  /**
   * This range, moved by `offset` bytes: up, or down if it is negative.
   *
   * @throws TypeError if `offset` is neither a `bigint` nor a `number`; RangeError if it is not a multiple of 4096, a `number` is not a safe integer,
   * or the result is not inside [0, 2^64)
   */
  shift(offset: bigint | number): MemoryRange {
    const by = toInteger(offset, 'offset');
    return MemoryRange.of(this.start + by, this.end + by);
  }

  /**
   * This range, moved up by a number of pages. Nothing is checked: the result must be inside the address space.
   *
   * @internal
   */
  movedUp(pages: number): MemoryRange {
    return new MemoryRange(this.startPage + pages, this.endPage + pages);
  }

  /** Whether both have the same pages. */
  equals(other: MemoryRange): boolean {
    return this.startPage === other.startPage && this.endPage === other.endPage;
  }

  #hasByte(address: unknown): boolean {
    const at = toInteger(address, 'an address');
    return this.start <= at && at < this.end;
  }

  /** `'0x1000-0x5000'`: start and end in hexadecimal digits. The end is not included. */
  toString(): string {
    return `${hex(this.start)}-${hex(this.end)}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `MemoryRange ${this.toString()}`;
  }
}

/** @throws TypeError that says how a range is made */
export function noRangeError(value: unknown, what: string): TypeError {
  const hasBoth =
    typeof value === 'object' && value !== null && Object.hasOwn(value, 'start') && Object.hasOwn(value, 'end');
  const advice =
    typeof value === 'string'
      ? "MemoryRange.parse('0x1000-0x5000')"
      : hasBoth
        ? 'MemoryRange.of(start, end)'
        : 'MemoryRange.of(start, end) or MemoryRange.ofLength(start, length)';
  return new TypeError(`${what} must be a MemoryRange, not ${show(value)}: make one with ${advice}`);
}

/**
 * The number of the page that starts at an address; `NaN` if none does, or the value is neither a `bigint` nor a safe integer. A double holds the
 * start of each page exactly; whether an address above 2^53 is the start of one is checked as a `bigint`.
 */
function pageOf(address: bigint | number): number {
  if (typeof address === 'bigint') {
    const value = Number(address);
    const isStart = value > Number.MAX_SAFE_INTEGER ? address % PAGE_SIZE === 0n : value % PAGE_SIZE_NUMBER === 0;
    return isStart ? value / PAGE_SIZE_NUMBER : NaN;
  }
  // The sum turns -0 into 0.
  return Number.isSafeInteger(address) && address % PAGE_SIZE_NUMBER === 0 ? address / PAGE_SIZE_NUMBER + 0 : NaN;
}

/** @throws RangeError that says what is wrong with the range */
function refuse(start: bigint, end: bigint): never {
  const range = `range ${hex(start)}-${hex(end)}`;
  if (start < 0n || end > ADDRESS_LIMIT) {
    throw new RangeError(`${range} reaches out of the address space [0, 2^64)`);
  }
  if (start >= end) {
    throw new RangeError(start === end ? `${range} is empty` : `${range} ends before it starts`);
  }
  const [address, what] = start % PAGE_SIZE === 0n ? [end, 'end'] : [start, 'start'];
  throw new RangeError(`${what} ${hex(address)} is not a multiple of the page size ${hex(PAGE_SIZE)}`);
}

/** The pages that the bytes from `start` up to and without `end` lie in; there is at least one byte. */
export function pagesOfBytes(start: bigint, end: bigint): MemoryRange {
  return MemoryRange.ofPages(Number(start >> PAGE_SHIFT), Number((end + PAGE_SIZE - 1n) >> PAGE_SHIFT));
}

/** The parts of a range outside another range, in ascending order. */
export function partsOutside(range: MemoryRange, other: MemoryRange): readonly MemoryRange[] {
  return [
    ...(range.startPage < other.startPage ? [MemoryRange.ofPages(range.startPage, other.startPage)] : []),
    ...(other.endPage < range.endPage ? [MemoryRange.ofPages(other.endPage, range.endPage)] : []),
  ];
}
