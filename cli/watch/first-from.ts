import type { MemoryRange } from '../../streams/index.js';

/** Index of the first of ascending elements that begins at an address or above it; their number if there is none. */
export function firstFrom(elements: readonly { readonly range: MemoryRange }[], address: bigint): number {
  let low = 0;
  for (let high = elements.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((elements[middle]?.range.start ?? 0n) < address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
