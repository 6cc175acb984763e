import type { Backing, Mappable } from '../contracts/backing.js';
import type { MapParams, MappingParams, RamParams, RegionParams } from '../contracts/region.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { checkObject, isObject, show } from '../util/checks.js';
import { checkRegionParams, copyOf } from './region-checks.js';

/** What makes a region of RAM: the parameters of the three edits. */
export interface RamEdits {
  readonly region: RegionParams;
  readonly mapping: MappingParams;
  readonly access: MapParams;
}

/** The edits that make a region of RAM. What they check of their parameters themselves is not checked here. @throws TypeError or RangeError */
export function ramOf(params: RamParams): RamEdits {
  checkObject(params, 'the parameters of addRam');
  const region: RegionParams = { ...params, type: 'ram' };
  checkRegionParams(region);
  const { range, writable = true, executable, prefetch } = params;
  const rangeInRegion = MemoryRange.ofPages(0, range.endPage - range.startPage);
  return {
    region,
    mapping: { ...params, rangeInRegion, backing: backingOf(params), writable },
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
  return isObject(copy) && isBacking(copy.backing) ? { ...copy, backing: copyOf(copy.backing) } : copy;
}

function backingOf({ name, backing, fileOffset }: RamParams): Backing {
  if (!isBacking(backing)) {
    checkObject(backing, `backing of region "${name}" (a Memfd, 'private', or a mappable and a fileOffset)`);
    return { mappable: backing, fileOffset: fileOffset ?? 0n };
  }
  if (fileOffset !== undefined) {
    const reason =
      backing === 'private' ? 'private memory is not in a file' : 'its backing has a fileOffset of its own';
    throw new TypeError(`fileOffset of region "${name}" must be left out, not ${show(fileOffset)}: ${reason}`);
  }
  return backing;
}

/** Whether it says itself which memory it is. Other objects have the file descriptor. */
function isBacking(backing: Mappable | Backing): backing is Backing {
  return (
    backing === 'private' ||
    (typeof backing === 'object' && (backing as object | null) !== null && 'mappable' in backing)
  );
}
