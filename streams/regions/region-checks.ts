import { isMappingType } from '../contracts/contract-checks.js';
import { DmaError } from '../contracts/errors.js';
import { MemoryRange, PAGE_SIZE, PAGE_SIZE_NUMBER } from '../ranges/memory-range.js';
import type { Backing, Mappable, MapParams, MappingParams, RegionParams } from '../contracts/region.js';
import { isObject, isBoolean, checkObject, show } from '../util/checks.js';

/** Offsets in files are signed 64-bit numbers (`off_t`). */
const FILE_SIZE_LIMIT = 1n << 63n;

/** File descriptors are signed 32-bit numbers. */
const FD_MAX = 0x7fffffff;

/**
 * Checks of arguments at run time, also for callers without TypeScript. Each throws a `TypeError` or `RangeError` that names the argument, and
 * changes nothing.
 */

/** @throws TypeError */
export function checkRange(range: unknown, what: string): asserts range is MemoryRange {
  if (!(range instanceof MemoryRange)) {
    throw new TypeError(`${what} must be a MemoryRange, not ${show(range)}: make one with MemoryRange.of(start, end)`);
  }
}

/** @throws TypeError or RangeError */
export function checkRegionParams(params: RegionParams): asserts params is RegionParams {
  checkObject(params, 'the parameters of a region');
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
}

/** @throws TypeError */
export function checkMapParams(params: MapParams, region: string): void {
  checkObject(params, `the parameters that region "${region}" is mapped with`);
  for (const flag of ['writable', 'executable', 'prefetch'] as const) {
    const value: unknown = params[flag];
    if (typeof value !== 'boolean' && (flag === 'writable' || value !== undefined)) {
      throw new TypeError(`${flag} of region "${region}" must be a boolean, not ${show(value)}`);
    }
  }
}

/**
 * Checks the parameters of a mapping, and returns a copy of its backing.
 *
 * @throws TypeError or RangeError; DmaError if the file is closed, or the mapping ends after the end of the file
 */
export function checkMappingParams(params: MappingParams, region: string): Backing {
  if (!isObject(params) || !(params.rangeInRegion instanceof MemoryRange) || !isBoolean(params.writable)) {
    // The texts are made only if a check failed.
    checkObject(params, `the parameters of a mapping in region "${region}"`);
    checkRange(params.rangeInRegion, `rangeInRegion of a mapping in region "${region}"`);
    throw new TypeError(`writable of a mapping in region "${region}" must be a boolean, not ${show(params.writable)}`);
  }
  return checkBacking(params.backing, params.rangeInRegion, region);
}

function checkBacking(backing: Backing, range: MemoryRange, region: string): Backing {
  if (backing === 'private') {
    return backing;
  }
  if (!isObject(backing) || !isObject(backing.mappable) || typeof backing.fileOffset !== 'bigint') {
    checkObject(backing, `backing of a mapping in region "${region}" ('private', or a mappable and a fileOffset)`);
    checkObject(backing.mappable, `mappable of a mapping in region "${region}"`);
    throw new TypeError(
      `fileOffset of a mapping in region "${region}" must be a bigint, not ${show(backing.fileOffset)}`,
    );
  }
  const { mappable, fileOffset } = backing;
  const fd: unknown = mappable.fd; // throws if the file is closed
  // Doubles as long as they are exact: bigint arithmetic takes ten times as long.
  const offset = Number(fileOffset);
  const end = offset + (range.endPage - range.startPage) * PAGE_SIZE_NUMBER;
  if (
    offset < 0 ||
    offset % PAGE_SIZE_NUMBER !== 0 ||
    end > Number.MAX_SAFE_INTEGER ||
    end > sizeOf(mappable) ||
    !isFd(fd)
  ) {
    checkFileRange(mappable, fileOffset, range, region);
    if (!isFd(fd)) {
      throw new TypeError(`fd of mappable "${mappable.label}" must be a file descriptor, not ${show(fd)}`);
    }
  }
  return { mappable, fileOffset };
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

function isFd(fd: unknown): boolean {
  return Number.isInteger(fd) && (fd as number) >= 0 && (fd as number) <= FD_MAX;
}
