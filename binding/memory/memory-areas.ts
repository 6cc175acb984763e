import { readFileSync } from 'node:fs';
import { DmaError } from '../../streams/index.js';
import { native } from '../native.js';

/**
 * The memory areas of this process, which the kernel limits (`vm.max_map_count`, 65,530 unless it was raised). A process that has used them
 * up cannot even grow its heap, and ends: so the address spaces leave enough of them to the rest of it. Native code counts them, for all
 * threads together.
 */

/** What everything else may need: the heap, thread stacks, shared libraries. */
const LEFT_TO_OTHERS = 8192;

/** A mapping, and what it cuts off of the empty run that it lies in. */
const AREAS_OF_A_MAPPING = 2;

let limit: number | undefined;

/** Whether so many more mappings stay clear of the limit. */
export function haveAreasFor(mappings: number): boolean {
  return excess(mappings) <= 0;
}

/** @throws DmaError `ENOMEM` when so many more mappings may come too close to the limit */
export function checkAreasFor(mappings: number): void {
  if (excess(mappings) <= 0) {
    return;
  }
  limit = readLimit(); // It may have been raised since.
  if (excess(mappings) > 0) {
    const used = native().addressSpaceAreas();
    throw new DmaError(
      `the mappings of this process use ${used} of ${limit} memory areas, and the rest of it needs some`,
      {
        code: 'ENOMEM',
        syscall: 'mmap',
        hint: 'map fewer, larger ranges that adjoin each other, or as root: sysctl -w vm.max_map_count=1000000',
      },
    );
  }
}

function excess(mappings: number): number {
  limit ??= readLimit();
  return native().addressSpaceAreas() + mappings * AREAS_OF_A_MAPPING - (limit - LEFT_TO_OTHERS);
}

/** Also tells native code, which refuses releases that would use up the areas: cutting a mapping out of many makes more of them. */
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
