import { readFileSync } from 'node:fs';
import { DmaError } from '../../streams/index.js';
import { native } from '../native.js';

/**
 * The memory areas of this process. The kernel limits their number (`vm.max_map_count`, default 65,530). A process at the limit cannot grow
 * its heap, and crashes. So address spaces use only a part of them. Native code counts them, for all threads together.
 */

/** Reserve for the rest of the process: the heap, thread stacks, shared libraries. */
const LEFT_TO_OTHERS = 8192;

/** How a process can need fewer memory areas: if each mapping needs some, and if each file does, as with `RamBlocks`. */
export const FEWER_AREAS = {
  forMappings:
    'Use RamBlocks, which needs one memory area for each file instead of each mapping, map fewer, larger ranges that adjoin each other',
  forFiles: 'Use fewer, larger files: each file, and each private mapping, is a memory area',
} as const;

let limit: number | undefined;

/** Whether this number of further memory areas stays below the limit. */
export function haveAreasFor(areas: number): boolean {
  return excess(areas) <= 0;
}

/** @throws DmaError `ENOMEM` if this number of further memory areas may exceed the limit minus the reserve */
export function checkAreasFor(areas: number): void {
  const error = areasError(areas);
  if (error !== undefined) {
    throw error;
  }
}

/** The error of mappings for which too few memory areas are left; `undefined` if there are enough. `fewer`: how to need fewer, for the hint. */
export function areasError(areas: number, fewer: string = FEWER_AREAS.forMappings): DmaError | undefined {
  if (excess(areas) <= 0 || (isLimitRaised() && excess(areas) <= 0)) {
    return undefined;
  }
  const used = native().addressSpaceAreas();
  return new DmaError(
    `the mappings of this process use ${used} of ${limit} memory areas, and the rest of it needs some`,
    {
      code: 'ENOMEM',
      syscall: 'mmap',
      hint: `${fewer}, or as root: sysctl -w vm.max_map_count=1000000`,
    },
  );
}

/** Sets the limit in native code, unless it is set. */
export function limitAreas(): void {
  limit ??= readLimit();
}

/** Reads the limit again, here and for native code. Returns whether it is higher than it was. */
export function isLimitRaised(): boolean {
  const before = limit;
  limit = readLimit();
  return before !== undefined && limit > before;
}

/** How many areas there would be above the limit. None cost none, also above it. */
function excess(areas: number): number {
  limit ??= readLimit();
  return areas === 0 ? 0 : native().addressSpaceAreas() + areas - (limit - LEFT_TO_OTHERS);
}

/** Also sets the limit in native code, which rejects releases that would exceed it: removing a mapping can split a memory area. */
function readLimit(): number {
  const areas = maxMapCount();
  native().addressSpaceLimitAreas(Math.max(0, areas - LEFT_TO_OTHERS));
  return areas;
}

function maxMapCount(): number {
  try {
    return Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'));
  } catch {
    return 65530; // the kernel's default (DEFAULT_MAX_MAP_COUNT)
  }
}
