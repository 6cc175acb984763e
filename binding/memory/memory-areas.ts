import { readFileSync } from 'node:fs';
import { DmaError } from '../../streams/index.js';
import { native } from '../native.js';

/**
 * The memory areas of this process. The kernel limits their number (`vm.max_map_count`, default 65,530). A process at the limit cannot grow
 * its heap, and crashes. So address spaces use only a part of them. Native code counts them, for all threads together.
 */

/** Reserve for the rest of the process: the heap, thread stacks, shared libraries. */
const LEFT_TO_OTHERS = 8192;

/** The mapping itself, and the second part of the unmapped area that it splits. */
const AREAS_OF_A_MAPPING = 2;

let limit: number | undefined;

/** Whether this number of further mappings stays below the limit. */
export function haveAreasFor(mappings: number): boolean {
  return excess(mappings) <= 0;
}

/** @throws DmaError `ENOMEM` if this number of further mappings may exceed the limit minus the reserve */
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
