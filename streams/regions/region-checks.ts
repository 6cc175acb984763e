import { hex } from '../util/hex.js';
import { isMappingType } from '../contracts/contract-checks.js';
import { DmaError } from '../contracts/errors.js';
import { MemoryRange, noRangeError, PAGE_LIMIT, PAGE_SIZE, PAGE_SIZE_NUMBER } from '../ranges/memory-range.js';
import type { MapChange } from '../contracts/change-set.js';
import type { FileBacking, Mappable } from '../contracts/backing.js';
import type { MapParams, MappingParams, RegionParams } from '../contracts/region.js';
import { toBytes, toInteger } from '../util/bytes.js';
import { checkNames, checkObject, isObject, show } from '../util/checks.js';
import { outOfRegionError } from './edit-errors.js';
import { pieceCount } from './granules.js';
import type { RegionMapping, RegionState } from './region-state.js';

/** Offsets in files are signed 64-bit numbers (`off_t`). */
const FILE_SIZE_LIMIT = 1n << 63n;

/** Most pieces of one mapping: each is an object, and must fit into memory. */
const PIECES_MAX = 1 << 22;

/** File descriptors are signed 32-bit numbers. */
const FD_MAX = 0x7fffffff;

const REGION_NAMES: readonly (keyof RegionParams)[] = ['name', 'range', 'priority', 'type', 'holes'];
const ACCESS_NAMES: readonly (keyof MapParams)[] = ['writable', 'executable', 'prefetch'];

/**
 * Checks of arguments at run time, also for callers without TypeScript, and what is made of the arguments: copies, because a command may wait in the
 * queue while the caller changes them. Each throws an error that names the argument, and changes nothing.
 */

/** @throws TypeError */
function checkRange(range: unknown, what: string): asserts range is MemoryRange {
  if (!(range instanceof MemoryRange)) {
    throw noRangeError(range, what);
  }
}

/** @throws TypeError or RangeError */
export function checkRegionParams(params: RegionParams): asserts params is RegionParams {
  checkObject(params, 'the parameters of a region');
  checkNames(params, REGION_NAMES, 'a region');
  if (typeof params.name !== 'string') {
    throw new TypeError(`name of a region must be a string, not ${show(params.name)}`);
  }
  checkRange(params.range, `range of region "${params.name}"`);
  if (params.priority !== undefined && !Number.isFinite(params.priority)) {
    throw new RangeError(`priority of region "${params.name}" must be a finite number, not ${show(params.priority)}`);
  }
  const type: unknown = params.type;
  if (!isMappingType(type)) {
    throw new TypeError(`type of region "${params.name}" must be 'ram' or 'device', not ${show(type)}`);
  }
  const holes: unknown = params.holes;
  if (holes !== undefined && holes !== 'opaque' && holes !== 'transparent') {
    throw new TypeError(`holes of region "${params.name}" must be 'opaque' or 'transparent', not ${show(holes)}`);
  }
}

/**
 * A copy of the parameters that a region is mapped with.
 *
 * @throws TypeError
 */
export function mapParamsOf(params: MapParams, region: string): MapParams {
  checkObject(params, `the parameters that region "${region}" is mapped with`);
  checkNames(params, ACCESS_NAMES, 'map');
  const copy: MapParams =
    params.executable === undefined && params.prefetch === undefined ? { writable: params.writable } : { ...params };
  for (const flag of ACCESS_NAMES) {
    const value: unknown = copy[flag];
    if (typeof value !== 'boolean' && (flag === 'writable' || value !== undefined)) {
      throw new TypeError(`${flag} of region "${region}" must be a boolean, not ${show(value)}`);
    }
  }
  return copy;
}

/** Whether both are the same, where `undefined` stands for a region that is not mapped, and an absent flag is `false`. */
export function sameParams(a: MapParams | undefined, b: MapParams | undefined): boolean {
  if (a === undefined || b === undefined) {
    return a === b;
  }
  return (
    a.writable === b.writable &&
    (a.executable ?? false) === (b.executable ?? false) &&
    (a.prefetch ?? false) === (b.prefetch ?? false)
  );
}

/** An object of a caller whose type has not been checked. */
type Unchecked<T> = { readonly [K in keyof T]?: unknown } | null | undefined;

/**
 * The mapping that the parameters describe, in guest physical addresses. It is the one object that the region, the change set and the ledgers of
 * the targets share. Whether the file is open is checked later: see `checkOpen`. Names that do not exist are not looked for: this is the hot path.
 *
 * @throws TypeError or RangeError; DmaError `ERR_OUT_OF_REGION`, or `ERR_BEYOND_FILE` if the file is known to be too short
 */
export function mappingOf(params: Unchecked<MappingParams>, state: RegionState): RegionMapping {
  const rangeInRegion = params?.rangeInRegion;
  const writable = params?.writable;
  if (!(rangeInRegion instanceof MemoryRange) || typeof writable !== 'boolean') {
    // The texts are made only if a check failed.
    checkObject(params, `the parameters of a mapping in region "${state.name}"`);
    checkRange(rangeInRegion, `rangeInRegion of a mapping in region "${state.name}"`);
    throw new TypeError(`writable of a mapping in region "${state.name}" must be a boolean, not ${show(writable)}`);
  }
  const given = params?.backing;
  // `typeof` first: it is inlined, and a comparison of an object with a string is a call.
  const backing =
    typeof given === 'string' && given === 'private' ? given : fileBackingOf(given, rangeInRegion, state.name);
  const mapping: RegionMapping = {
    range: guestRangeOf(rangeInRegion, state),
    region: state.name,
    type: state.type,
    writable,
    backing,
  };
  return params?.granule === undefined ? mapping : { ...mapping, granule: granuleOf(params.granule, mapping) };
}

/**
 * The granule of a mapping in pages.
 *
 * @throws TypeError or RangeError
 */
function granuleOf(given: unknown, mapping: MapChange): number {
  const { range, region, backing } = mapping;
  const of = `granule of the mapping ${range.toString()} in region "${region}"`;
  const granule = toInteger(given, of);
  if (granule < PAGE_SIZE || (granule & (granule - 1n)) !== 0n) {
    throw new RangeError(`${of} must be a power of two of at least ${PAGE_SIZE} bytes, not ${granule}`);
  }
  if (backing === 'private') {
    throw new TypeError(`${of}: private memory is one piece, and takes no granule; use a Memfd as its backing`);
  }
  const distance = range.start - backing.fileOffset;
  if (distance % granule !== 0n) {
    // The lowest bit of the distance: the largest power of two that divides it.
    const largest = distance & -distance;
    throw new RangeError(
      `${of} is 0x${granule.toString(16)}, but guest address 0x${range.start.toString(16)} and file offset ` +
        `0x${backing.fileOffset.toString(16)} differ modulo it: choose an offset or an address that agrees, or a granule of at most ` +
        `0x${largest.toString(16)}`,
    );
  }
  // One that is larger than the address space is one piece.
  const pages = Math.min(Number(granule / PAGE_SIZE), PAGE_LIMIT);
  const pieces = pieceCount(mapping, pages);
  if (pieces > PIECES_MAX) {
    throw new RangeError(
      `${of} is 0x${granule.toString(16)}, which makes ${pieces} pieces; at most ${PIECES_MAX} are possible: use a larger granule`,
    );
  }
  return pages;
}

/**
 * The guest physical addresses of a range from which mappings are removed.
 *
 * @throws TypeError; DmaError `ERR_OUT_OF_REGION`
 */
export function rangeToRemove(rangeInRegion: unknown, state: RegionState): MemoryRange {
  if (!(rangeInRegion instanceof MemoryRange)) {
    throw noRangeError(rangeInRegion, `rangeInRegion of region "${state.name}"`);
  }
  return guestRangeOf(rangeInRegion, state);
}

function guestRangeOf(rangeInRegion: MemoryRange, state: RegionState): MemoryRange {
  const { startPage, endPage } = state.range;
  if (rangeInRegion.endPage > endPage - startPage) {
    throw outOfRegionError(state, rangeInRegion);
  }
  return startPage === 0 ? rangeInRegion : rangeInRegion.movedUp(startPage);
}

/** A part of a file that can be written as JSON, which has no `bigint`. */
export class FilePart implements FileBacking {
  readonly mappable: Mappable;
  readonly fileOffset: bigint;

  constructor(mappable: Mappable, fileOffset: bigint) {
    this.mappable = mappable;
    this.fileOffset = fileOffset;
  }

  toJSON(): Record<string, unknown> {
    return { mappable: this.mappable.label, fileOffset: hex(this.fileOffset) };
  }
}

function fileBackingOf(backing: unknown, range: MemoryRange, region: string): FileBacking {
  const given = backing as Unchecked<FileBacking>;
  const mappable = given?.mappable;
  const fileOffset = given?.fileOffset;
  if (typeof mappable !== 'object' || mappable === null || typeof fileOffset !== 'bigint') {
    return fileBackingOf(checkedBacking(backing, region), range, region);
  }
  // Doubles as long as they are exact: bigint arithmetic takes more instructions.
  const offset = Number(fileOffset);
  const end = offset + (range.endPage - range.startPage) * PAGE_SIZE_NUMBER;
  if (
    offset < 0 ||
    offset % PAGE_SIZE_NUMBER !== 0 ||
    end > Number.MAX_SAFE_INTEGER ||
    end > sizeOf(mappable as Mappable)
  ) {
    checkFileRange(mappable as Mappable, fileOffset, range, region);
  }
  return new FilePart(mappable as Mappable, fileOffset);
}

/** A backing whose offset is a bigint. @throws TypeError or RangeError */
function checkedBacking(backing: unknown, region: string): FileBacking {
  checkObject(backing, `backing of a mapping in region "${region}" ('private', or a mappable and a fileOffset)`);
  const { mappable, fileOffset } = backing as Unchecked<FileBacking> & object;
  checkObject(mappable, `mappable of a mapping in region "${region}"`);
  return {
    mappable: mappable as Mappable,
    fileOffset: toBytes(fileOffset, `fileOffset of a mapping in region "${region}"`),
  };
}

/** @throws RangeError, or DmaError if the file is known to be too short */
function checkFileRange(mappable: Mappable, fileOffset: bigint, range: MemoryRange, region: string): void {
  if (fileOffset < 0n || fileOffset % PAGE_SIZE !== 0n) {
    throw new RangeError(
      `fileOffset ${fileOffset} of a mapping in region "${region}" is not a multiple of the page size ${PAGE_SIZE}`,
    );
  }
  const end = fileOffset + range.length;
  if (end > FILE_SIZE_LIMIT) {
    throw new RangeError(
      `the mapping at fileOffset ${fileOffset} in region "${region}" ends after 2^63, the limit of file sizes`,
    );
  }
  const { size } = mappable;
  if ((typeof size === 'bigint' || typeof size === 'number') && end > size) {
    throw new DmaError(`the mapping ends at offset ${end} of "${mappable.label}", which ends at ${size}`, {
      code: 'ERR_BEYOND_FILE',
      region,
      range,
      hint: 'map less of it, or make the file longer first',
    });
  }
}

/** Size in bytes; `Infinity` if it is not known. */
function sizeOf({ size }: Mappable): number {
  return typeof size === 'bigint' ? Number(size) : typeof size === 'number' ? size : Infinity;
}

/**
 * Checks that a file is open: to be called when the mapping is added.
 *
 * @throws TypeError for a wrong `fd`; the error of the file if it is closed
 */
export function checkOpen(mappable: Mappable): void {
  const fd: unknown = mappable.fd; // throws if the file is closed
  if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < 0 || fd > FD_MAX) {
    throw new TypeError(`fd of mappable "${mappable.label}" must be a file descriptor, not ${show(fd)}`);
  }
}

/** A copy of parameters that are checked later. Values that are not objects are returned, to be refused then. */
export function copyOf<T>(params: T): T {
  return isObject(params) ? { ...params } : params;
}
