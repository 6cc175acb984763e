/** Bits of a digit of radix sort. With more bits there are fewer passes, but each pass visits all values of a digit. */
const DIGIT_BITS = 11;

/** Largest difference between two keys, plus one: offsets from the smallest key have 32 bits. */
const SPAN_LIMIT = 2 ** 32;

/** Smallest length of the arrays. */
const CAPACITY_MIN = 256;

/** Longer arrays are replaced by shorter ones when a short list is sorted. */
const KEPT_CAPACITY_MAX = 1 << 17;

/** All arrays are kept between the calls. */
let keys = new Float64Array(CAPACITY_MIN);
/** Differences between the keys and the smallest key, and their indexes, each with a second array that they are moved to. */
let offsets = new Uint32Array(CAPACITY_MIN);
let otherOffsets = new Uint32Array(CAPACITY_MIN);
let order = new Uint32Array(CAPACITY_MIN);
let otherOrder = new Uint32Array(CAPACITY_MIN);
const counts = new Uint32Array(1 << DIGIT_BITS);

/**
 * Returns the indexes from 0 up to (not including) `length` in ascending order of their keys, by radix sort. Indexes with equal keys keep their
 * order. The result is valid until the next call, and may be longer than `length`. `undefined` if two keys differ by 2^32 or more.
 *
 * Only numbers are moved, because moving objects needs a write barrier of the garbage collector for each.
 *
 * @param keyOf called once for each index
 */
export function argsort(length: number, keyOf: (index: number) => number): Uint32Array | undefined {
  ensureCapacity(length);
  let smallest = Infinity;
  let largest = -Infinity;
  for (let index = 0; index < length; index++) {
    const key = keyOf(index);
    keys[index] = key;
    smallest = key < smallest ? key : smallest;
    largest = key > largest ? key : largest;
  }
  if (largest - smallest >= SPAN_LIMIT) {
    return undefined;
  }
  radixSort(length, smallest, largest - smallest);
  return order;
}

/** Ensures that the arrays are long enough, and not much too long. */
function ensureCapacity(length: number): void {
  if (keys.length < length || (keys.length > KEPT_CAPACITY_MAX && length * 2 <= KEPT_CAPACITY_MAX)) {
    const room = Math.max(CAPACITY_MIN, length * 2);
    keys = new Float64Array(room);
    offsets = new Uint32Array(room);
    otherOffsets = new Uint32Array(room);
    order = new Uint32Array(room);
    otherOrder = new Uint32Array(room);
  }
}

/** Sorts digit by digit, from the lowest digit up, in one pass for each. */
function radixSort(length: number, smallest: number, span: number): void {
  const mask = (1 << DIGIT_BITS) - 1;
  for (let index = 0; index < length; index++) {
    offsets[index] = (keys[index] as number) - smallest;
    order[index] = index;
  }
  for (let shift = 0; shift < 32 && span >= 2 ** shift; shift += DIGIT_BITS) {
    const [from, to, fromOrder, toOrder] = [offsets, otherOffsets, order, otherOrder];
    counts.fill(0);
    for (let index = 0; index < length; index++) {
      const digit = ((from[index] as number) >>> shift) & mask;
      counts[digit] = (counts[digit] as number) + 1;
    }
    let at = 0;
    for (let digit = 0; digit <= mask; digit++) {
      const count = counts[digit] as number;
      counts[digit] = at;
      at += count;
    }
    for (let index = 0; index < length; index++) {
      const offset = from[index] as number;
      const digit = (offset >>> shift) & mask;
      const place = counts[digit] as number;
      counts[digit] = place + 1;
      to[place] = offset;
      toOrder[place] = fromOrder[index] as number;
    }
    [offsets, otherOffsets] = [otherOffsets, offsets];
    [order, otherOrder] = [otherOrder, order];
  }
}
