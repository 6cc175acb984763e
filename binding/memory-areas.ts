import { readFileSync } from 'node:fs';
import { DmaError } from '../streams/errors.js';

/**
 * The memory areas of this process, which the kernel limits (`vm.max_map_count`, 65,530 unless it was raised). A process that has used them
 * up cannot even grow its heap, and ends: so the address spaces leave enough of them to the rest of it.
 */

/** What everything else may need: the heap, thread stacks, shared libraries. */
const LEFT_TO_OTHERS = 8192;

let used = 0;
let limit: number | undefined;

/** @throws DmaError `ENOMEM` when so many more areas would come too close to the limit */
export function checkAreas(more: number): void {
  if (more <= 0 || used + more <= (limit ??= readLimit()) - LEFT_TO_OTHERS) {
    return;
  }
  limit = readLimit();
  if (used + more > limit - LEFT_TO_OTHERS) {
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

/** Counts areas that came, or, below 0, that went. */
export function countAreas(more: number): void {
  used += more;
}

function readLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'));
  } catch {
    return 65530; // the kernel's default (DEFAULT_MAX_MAP_COUNT)
  }
}
