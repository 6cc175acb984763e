import { entriesFrom } from '../ranges/entries-from.js';
import { MemoryRange, PAGE_LIMIT } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import { eachInSlices, entriesInSlices, overlappingInSlices, sortedByInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { done } from '../util/sliced-work.js';
import { pauseIfOver } from '../util/time-slice.js';
import { ContainedRule } from './contained-rule.js';
import type { RegionState } from './region-state.js';

/** Limit of regions that are searched without a pause. */
const REGIONS_AT_ONCE_MAX = 1024;

/** Buckets that are read in one go by `from`. */
const BUCKETS_AT_ONCE = 32;

/** Which regions may overlap: see `RegionManagerOptions.overlap`. */
export type OverlapRule = 'contained' | 'any';

/** The regions of one level that share pages with an aligned range of that level's size. */
interface Bucket {
  readonly range: MemoryRange;
  readonly regions: RegionState[];
}

/**
 * All regions, by address. They may overlap.
 *
 * A region of more than 2^(n-1) and at most 2^n pages is in level n, which is divided into aligned buckets of 2^n pages: so it is in one or two
 * buckets. A search looks into the buckets of each level that share pages with the range: its cost is that of a search in a sorted map for each
 * size of region, and of the regions of similar size nearby.
 */
export class RegionTable {
  readonly rule: OverlapRule;
  readonly #levels = new Map<number, RangeMap<Bucket>>();
  /** `undefined` where regions may overlap in any way. */
  readonly #contained: ContainedRule | undefined;
  #size = 0;

  constructor(rule: OverlapRule = 'contained') {
    this.rule = rule;
    this.#contained = rule === 'contained' ? new ContainedRule() : undefined;
  }

  /** A region that a new region of this range and priority must not overlap, if there is one. */
  conflict(range: MemoryRange, priority: number): RegionState | undefined {
    return this.#contained?.conflict(range, priority);
  }

  /** Adds a region, which must not conflict with another one. */
  add(state: RegionState): void {
    this.#size += 1;
    this.#contained?.add(state);
    const level = levelOf(state.range);
    let buckets = this.#levels.get(level);
    if (buckets === undefined) {
      buckets = new RangeMap();
      this.#levels.set(level, buckets);
    }
    for (const range of bucketRanges(state.range, level)) {
      const bucket = buckets.startingAt(range.startPage);
      if (bucket === undefined) {
        buckets.insert({ range, regions: [state] });
      } else {
        bucket.regions.push(state);
      }
    }
  }

  remove(state: RegionState): void {
    const level = levelOf(state.range);
    const buckets = this.#levels.get(level);
    if (buckets?.startingAt(bucketStart(state.range, level))?.regions.includes(state) !== true) {
      return;
    }
    this.#size -= 1;
    this.#contained?.remove(state);
    for (const range of bucketRanges(state.range, level)) {
      const regions = buckets.startingAt(range.startPage)?.regions ?? [];
      regions.splice(regions.indexOf(state), 1);
      if (regions.length === 0) {
        buckets.remove(range);
      }
    }
    if (buckets.size === 0) {
      this.#levels.delete(level);
    }
  }

  /** All regions that share a page with `range`, by rank: see `compareRank`. */
  overlapping(range: MemoryRange): RegionState[] {
    const found: RegionState[] = [];
    for (const buckets of this.#levels.values()) {
      for (const bucket of buckets.overlapping(range)) {
        appendOverlapping(found, bucket, range);
      }
    }
    return found.length > 1 ? found.sort(compareRank) : found;
  }

  /**
   * The regions that share a page with those from `page` to `end`, in no order, and perhaps others after them. `end` is chosen so that they are not
   * many more than `most`, unless more lie side by side within the size of one.
   */
  from(page: number, most: number): { readonly regions: readonly RegionState[]; readonly end: number } {
    const range = MemoryRange.ofPages(page, PAGE_LIMIT);
    const regions: RegionState[] = [];
    let end = PAGE_LIMIT;
    for (const buckets of this.#levels.values()) {
      let next = buckets.firstOverlap(range)?.range.startPage ?? end;
      while (next < end) {
        const { entries, end: after } = entriesFrom(buckets, next, BUCKETS_AT_ONCE);
        next = after;
        for (const bucket of entries) {
          if (bucket.range.startPage >= end) {
            break;
          }
          appendOverlapping(regions, bucket, range);
          if (regions.length >= most) {
            end = Math.min(end, bucket.range.endPage);
          }
        }
      }
    }
    return { regions, end };
  }

  /** All regions, in no order. */
  *all(): Coroutine<RegionState[]> {
    const all: RegionState[] = [];
    for (const buckets of this.#levels.values()) {
      yield* eachInSlices(yield* entriesInSlices(buckets), ({ range, regions }) => {
        for (const state of regions) {
          if (range.startPage <= state.range.startPage) {
            all.push(state);
          }
        }
      });
    }
    return all;
  }

  /** Like `overlapping`, with pauses for the event loop. Regions must not be added or removed before the coroutine ends. */
  overlappingInSlices(range: MemoryRange): Coroutine<readonly RegionState[]> {
    return this.#size <= REGIONS_AT_ONCE_MAX ? done(this.overlapping(range), 1) : this.#overlappingMany(range);
  }

  *#overlappingMany(range: MemoryRange): Coroutine<readonly RegionState[]> {
    const found: RegionState[] = [];
    for (const buckets of this.#levels.values()) {
      for (const bucket of yield* overlappingInSlices(buckets, range)) {
        appendOverlapping(found, bucket, range);
        const pause = pauseIfOver(bucket.regions.length);
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
    return yield* sortedByInSlices(found, compareRank);
  }
}

/** Compares two regions by the rule of which one shows where both are mapped: the one of higher priority; of equals, the one added first. */
function compareRank(one: RegionState, other: RegionState): number {
  return other.priority - one.priority || one.sequence - other.sequence;
}

/** Appends the regions of a bucket that share a page with `range`. A region that is in two buckets is appended for the first of them. */
function appendOverlapping(found: RegionState[], bucket: Bucket, range: MemoryRange): void {
  const { startPage, endPage } = bucket.range;
  for (const state of bucket.regions) {
    const first = Math.max(state.range.startPage, range.startPage);
    if (startPage <= first && first < endPage && state.range.overlaps(range)) {
      found.push(state);
    }
  }
}

function levelOf({ startPage, endPage }: MemoryRange): number {
  const pages = endPage - startPage;
  const level = Math.ceil(Math.log2(pages));
  // The logarithm is rounded.
  return 2 ** level < pages ? level + 1 : level;
}

function bucketStart({ startPage }: MemoryRange, level: number): number {
  return startPage - (startPage % 2 ** level);
}

function bucketRanges(range: MemoryRange, level: number): readonly MemoryRange[] {
  const size = 2 ** level;
  const start = bucketStart(range, level);
  const first = MemoryRange.ofPages(start, start + size);
  return range.endPage <= start + size ? [first] : [first, MemoryRange.ofPages(start + size, start + 2 * size)];
}
