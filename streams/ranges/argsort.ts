/** Length of the runs that are sorted by insertion, and then merged. */
const RUN_LENGTH = 8;

/** From this number of keys on, radix sort is used instead. */
const RADIX_SORT_LENGTH_MIN = 256;

/** Bits of a digit of radix sort. With more bits there are fewer passes, but each pass visits all values of a digit. */
const DIGIT_BITS = 11;

/** Radix sort is used only if the difference between the largest and the smallest key is below this limit. */
const RADIX_SORT_SPAN_LIMIT = 2 ** 32;

/** Smallest length of the arrays. */
const CAPACITY_MIN = 256;

/** Longer arrays are replaced by shorter ones when a short list is sorted. */
const KEPT_CAPACITY_MAX = 1 << 17;

/** The keys and their indexes, each with a second array that they are moved to. Kept between the calls. */
let keys = new Float64Array(CAPACITY_MIN);
let otherKeys = new Float64Array(CAPACITY_MIN);
/** Differences between the keys and the smallest key. */
let offsets = new Uint32Array(CAPACITY_MIN);
let otherOffsets = new Uint32Array(CAPACITY_MIN);
let order = new Uint32Array(CAPACITY_MIN);
let otherOrder = new Uint32Array(CAPACITY_MIN);
const counts = new Uint32Array(1 << DIGIT_BITS);

/**
 * Returns the indexes from 0 up to (not including) `length` in ascending order of their keys. Indexes with equal keys keep their order. The result is
 * valid until the next call, and may be longer than `length`.
 *
 * Only numbers are moved, because moving objects needs a write barrier of the garbage collector for each.
 *
 * @param keyOf called once for each index
 */
export function argsort(length: number, keyOf: (index: number) => number): Uint32Array {
  ensureCapacity(length);
  let smallest = Infinity;
  let largest = -Infinity;
  for (let index = 0; index < length; index++) {
    const key = keyOf(index);
    keys[index] = key;
    smallest = key < smallest ? key : smallest;
    largest = key > largest ? key : largest;
  }
  if (length >= RADIX_SORT_LENGTH_MIN && largest - smallest < RADIX_SORT_SPAN_LIMIT) {
    radixSort(length, smallest, largest - smallest);
  } else {
    sortRunsByInsertion(length);
    mergeRuns(length);
  }
  return order;
}

/** Ensures that the arrays are long enough, and not much too long. */
function ensureCapacity(length: number): void {
  if (keys.length < length || (keys.length > KEPT_CAPACITY_MAX && length * 2 <= KEPT_CAPACITY_MAX)) {
    const room = Math.max(CAPACITY_MIN, length * 2);
    keys = new Float64Array(room);
    otherKeys = new Float64Array(room);
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

function sortRunsByInsertion(length: number): void {
  const [runKeys, runOrder] = [keys, order];
  for (let index = 0; index < length; index++) {
    const key = runKeys[index] as number;
    const start = index - (index % RUN_LENGTH);
    let at = index;
    for (; at > start && (runKeys[at - 1] as number) > key; at--) {
      runKeys[at] = runKeys[at - 1] as number;
      runOrder[at] = runOrder[at - 1] as number;
    }
    runKeys[at] = key;
    runOrder[at] = index;
  }
}

/** Merges runs. Each pass doubles the length of the runs. */
function mergeRuns(length: number): void {
  for (let width = RUN_LENGTH; width < length; width *= 2) {
    for (let start = 0; start < length; start += width * 2) {
      merge(start, Math.min(start + width, length), Math.min(start + width * 2, length));
    }
    [keys, otherKeys] = [otherKeys, keys];
    [order, otherOrder] = [otherOrder, order];
  }
}

/** Merges the runs `[start..middle)` and `[middle..end)`. */
function merge(start: number, middle: number, end: number): void {
  const [fromKeys, toKeys, fromOrder, toOrder] = [keys, otherKeys, order, otherOrder];
  let left = start;
  let right = middle;
  for (let index = start; index < end; index++) {
    const isLeft = left < middle && (right >= end || (fromKeys[left] as number) <= (fromKeys[right] as number));
    const from = isLeft ? left++ : right++;
    toKeys[index] = fromKeys[from] as number;
    toOrder[index] = fromOrder[from] as number;
  }
}
