/** I/O virtual addresses that may be mapped; both ends are included. */
export interface IovaRange {
  readonly start: bigint;
  readonly last: bigint;
}

/** Ranges from their ends, one after another, as native code gives them. */
export function pairs(ends: BigUint64Array): readonly IovaRange[] {
  const ranges: IovaRange[] = [];
  for (let index = 0; index + 1 < ends.length; index += 2) {
    ranges.push({ start: ends[index] ?? 0n, last: ends[index + 1] ?? 0n });
  }
  return ranges;
}
