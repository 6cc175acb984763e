/** A range of I/O virtual addresses that can be mapped. Both ends are inclusive. */
export interface IovaRange {
  /** The first address. */
  readonly start: bigint;
  /** The last address, which is included. */
  readonly last: bigint;
}

/** Converts the array of native code (first and last address of each range, in turn) to ranges. */
export function pairs(ends: BigUint64Array): readonly IovaRange[] {
  const ranges: IovaRange[] = [];
  for (let index = 0; index + 1 < ends.length; index += 2) {
    ranges.push({ start: ends[index] ?? 0n, last: ends[index + 1] ?? 0n });
  }
  return ranges;
}
