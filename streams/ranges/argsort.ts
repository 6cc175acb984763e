/** Up to so many are sorted by insertion, and merged from there. */
const RUN_LENGTH = 8;

/** From so many on, keys are dealt out by their digits instead. */
const RADIX_SORT_LENGTH_MIN = 256;

/** Bits of a digit: more of them make fewer passes, and each pass goes over all values that a digit has. */
const DIGIT_BITS = 11;

/** Keys that are dealt out differ by less. */
const RADIX_SORT_SPAN_LIMIT = 2 ** 32;

/** Longer arrays are given back when a short list is sorted. */
const KEPT_CAPACITY_MAX = 1 << 17;

/** The keys and their numbers, and where they are moved to and from. Kept from one call to the next. */
let keys = new Float64Array(256);
let otherKeys = new Float64Array(256);
/** Keys from the least of them on. */
let offsets = new Uint32Array(256);
let otherOffsets = new Uint32Array(256);
let order = new Uint32Array(256);
let otherOrder = new Uint32Array(256);
const counts = new Uint32Array(1 << DIGIT_BITS);

/**
 * The numbers from 0 to `length` in ascending order of their keys; those of equal keys keep theirs. Valid until the next call.
 *
 * Only numbers are moved: whoever moves objects about has to tell the collector of each.
 *
 * @param keyOf is called once for each
 */
export function argsort(length: number, keyOf: (index: number) => number): Uint32Array {
  ensureCapacity(length);
  let least = Infinity;
  let most = -Infinity;
  for (let index = 0; index < length; index++) {
    const key = keyOf(index);
    keys[index] = key;
    least = key < least ? key : least;
    most = key > most ? key : most;
  }
  if (length >= RADIX_SORT_LENGTH_MIN && most - least < RADIX_SORT_SPAN_LIMIT) {
    radixSort(length, least, most - least);
  } else {
    sortRunsByInsertion(length);
    mergeRuns(length);
  }
  return order;
}

function ensureCapacity(length: number): void {
  if (keys.length < length || (keys.length > KEPT_CAPACITY_MAX && length * 2 <= KEPT_CAPACITY_MAX)) {
    const room = Math.max(256, length * 2);
    keys = new Float64Array(room);
    otherKeys = new Float64Array(room);
    offsets = new Uint32Array(room);
    otherOffsets = new Uint32Array(room);
    order = new Uint32Array(room);
    otherOrder = new Uint32Array(room);
  }
}

/** Digit by digit, from the lowest: a pass for each, whatever the order was. */
function radixSort(length: number, least: number, span: number): void {
  const mask = (1 << DIGIT_BITS) - 1;
  for (let index = 0; index < length; index++) {
    offsets[index] = (keys[index] as number) - least;
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

/** Merges runs, of twice the length in each pass. */
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
