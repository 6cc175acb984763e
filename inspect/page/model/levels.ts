import type { WireRegion } from '../../wire/messages.js';
import { compareRank } from './shown.js';
import { SortedList } from './sorted-list.js';
import { firstPage } from './state.js';

/**
 * The regions in levels, each of which has no overlap. A region is one level above the highest of those of lower rank that overlap it: what lies
 * below all others is in level 0, so that the first levels are full. Those that are not mapped have their place too, so that one sees where they
 * would show.
 */
export function levelsOf(regions: SortedList<WireRegion>): readonly SortedList<WireRegion>[] {
  const ranked = [...regions.toArray()].sort(compareRank).reverse();
  const borders = bordersOf(ranked);
  const depths = new RangeMaximum(borders.length);
  const levels: WireRegion[][] = [];
  for (const region of ranked) {
    const from = indexOf(borders, region.pages[0]);
    const to = indexOf(borders, region.pages[1]);
    const level = depths.maximum(from, to);
    (levels[level] ??= []).push(region);
    depths.raise(from, to, level + 1);
  }
  return levels.map((level) =>
    SortedList.ofSorted<WireRegion>(
      firstPage,
      level.sort((a, b) => a.pages[0] - b.pages[0]),
    ),
  );
}

/** First pages, and those after the last, in ascending order. */
function bordersOf(regions: readonly WireRegion[]): Float64Array {
  const borders = new Float64Array(2 * regions.length);
  regions.forEach(({ pages: [start, end] }, index) => {
    borders[2 * index] = start;
    borders[2 * index + 1] = end;
  });
  return borders.sort();
}

/** The first place of a page among the borders. */
function indexOf(borders: Float64Array, page: number): number {
  let low = 0;
  let high = borders.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((borders[middle] ?? Infinity) < page) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Numbers, at first 0, with the maximum of a range: a segment tree. Ranges are half open. */
class RangeMaximum {
  readonly #length: number;
  /** The maximum in the range of a node. */
  readonly #maximum: Int32Array;
  /** What the whole range of a node was raised to. */
  readonly #raised: Int32Array;

  constructor(length: number) {
    this.#length = Math.max(1, length);
    this.#maximum = new Int32Array(4 * this.#length);
    this.#raised = new Int32Array(4 * this.#length);
  }

  maximum(from: number, to: number, node = 1, low = 0, high = this.#length): number {
    if (to <= low || high <= from) {
      return 0;
    }
    if (from <= low && high <= to) {
      return this.#maximum[node] ?? 0;
    }
    const middle = (low + high) >> 1;
    return Math.max(
      this.#raised[node] ?? 0,
      this.maximum(from, to, 2 * node, low, middle),
      this.maximum(from, to, 2 * node + 1, middle, high),
    );
  }

  /** Sets the numbers of the range to `value`, those that are smaller. */
  raise(from: number, to: number, value: number, node = 1, low = 0, high = this.#length): void {
    if (to <= low || high <= from) {
      return;
    }
    this.#maximum[node] = Math.max(this.#maximum[node] ?? 0, value);
    if (from <= low && high <= to) {
      this.#raised[node] = Math.max(this.#raised[node] ?? 0, value);
      return;
    }
    const middle = (low + high) >> 1;
    this.raise(from, to, value, 2 * node, low, middle);
    this.raise(from, to, value, 2 * node + 1, middle, high);
  }
}
