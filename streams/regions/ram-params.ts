import type { BackingParams, FileBackingParams, Mappable } from '../contracts/backing.js';
import type { MapParams, MappingParams, RamParams, RegionParams } from '../contracts/region.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { checkNames, checkObject, isObject, show } from '../util/checks.js';
import { checkRegionParams, copyOf } from './region-checks.js';

/** What makes a region of RAM: the parameters of the three edits. */
export interface RamEdits {
  readonly region: RegionParams;
  readonly mapping: MappingParams;
  readonly access: MapParams;
}

const NAMES: readonly (keyof RamParams)[] = [
  'name',
  'range',
  'priority',
  'holes',
  'backing',
  'fileOffset',
  'writable',
  'executable',
  'prefetch',
  'granule',
];

/** The edits that make a region of RAM. What they check of their parameters themselves is not checked here. @throws TypeError or RangeError */
export function ramOf(params: RamParams): RamEdits {
  checkObject(params, 'the parameters of addRam');
  checkNames(params, NAMES, 'addRam');
  const { backing, fileOffset, granule, writable = true, executable, prefetch, ...rest } = params;
  const region: RegionParams = { ...rest, type: 'ram' };
  checkRegionParams(region);
  const { name, range } = region;
  const rangeInRegion = MemoryRange.ofPages(0, range.endPage - range.startPage);
  return {
    region,
    mapping: {
      rangeInRegion,
      backing: backingOf(backing, fileOffset, name),
      writable,
      ...(granule === undefined ? {} : { granule }),
    },
    access: {
      writable: true,
      ...(executable === undefined ? {} : { executable }),
      ...(prefetch === undefined ? {} : { prefetch }),
    },
  };
}

/** A copy of parameters that are checked later: see `copyOf`. */
export function copyOfRam(params: RamParams): RamParams {
  const copy = copyOf(params);
  if (!isObject(copy) || !isBacking(copy.backing) || copy.backing === 'private') {
    return copy;
  }
  // An object of a class may have accessors, which a spread leaves out.
  const { mappable, fileOffset } = copy.backing;
  return { ...copy, backing: { mappable, fileOffset } };
}

function backingOf(
  backing: Mappable | BackingParams,
  fileOffset: bigint | number | undefined,
  name: string,
): BackingParams {
  if (!isBacking(backing)) {
    checkObject(backing, `backing of region "${name}" (a Memfd, 'private', or a mappable and a fileOffset)`);
    return fileBackingOf(backing, fileOffset);
  }
  if (fileOffset !== undefined) {
    const reason =
      backing === 'private' ? 'private memory is not in a file' : 'its backing has a fileOffset of its own';
    throw new TypeError(`fileOffset of region "${name}" must be left out, not ${show(fileOffset)}: ${reason}`);
  }
  return backing;
}

function fileBackingOf(mappable: Mappable, fileOffset: bigint | number = 0n): FileBackingParams {
  return { mappable, fileOffset };
}

/** Whether it says itself which memory it is. Other objects have the file descriptor. */
function isBacking(backing: Mappable | BackingParams): backing is BackingParams {
  return (
    backing === 'private' ||
    (typeof backing === 'object' && (backing as object | null) !== null && 'mappable' in backing)
  );
}
