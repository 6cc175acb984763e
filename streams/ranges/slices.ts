import { sortByAddress, sortedByAddress, isAscending } from './sort-by-address.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import { MemoryRange } from './memory-range.js';
import type { Ranged, RangeMap } from './range-map.js';
import type { Coroutine } from '../util/coroutine.js';
import { done, inSlices, ITEMS_AT_ONCE_MAX } from '../util/sliced-work.js';

/** Operations on lists that may be long, with pauses for the event loop. The lists must not change before the coroutine ends. */

/** Number of entries of a map that are copied between two calls of `pauseIfOver`, and how many of them count as one step. */
export const COPY_ENTRIES_MAX = 512;
export const COPIES_PER_STEP = 8;

/** From this length on, a list is made in its full length: a growing list would be copied several times. */
export const PREALLOCATED_LENGTH_MIN = 1 << 16;

/** Number of items that are sorted without a pause. */
const SORT_RUN_LENGTH = 512;
/** The same where each comparison is a call. */
const COMPARED_RUN_LENGTH = 128;

export function mapInSlices<T, R>(items: readonly T[], make: (item: T) => R): Coroutine<R[]> {
  return items.length <= ITEMS_AT_ONCE_MAX ? done(items.map(make), items.length) : mapMany(items, make);
}

function* mapMany<T, R>(items: readonly T[], make: (item: T) => R): Coroutine<R[]> {
  const made: R[] = [];
  yield* eachInSlices(items, (item) => {
    made.push(make(item));
  });
  return made;
}

export function filterInSlices<T>(items: readonly T[], isIncluded: (item: T) => boolean): Coroutine<T[]> {
  return items.length <= ITEMS_AT_ONCE_MAX
    ? done(items.filter(isIncluded), items.length)
    : filterMany(items, isIncluded);
}

function* filterMany<T>(items: readonly T[], isIncluded: (item: T) => boolean): Coroutine<T[]> {
  const wanted: T[] = [];
  yield* eachInSlices(items, (item) => {
    if (isIncluded(item)) {
      wanted.push(item);
    }
  });
  return wanted;
}

export function eachInSlices<T>(items: readonly T[], work: (item: T) => void): Coroutine<void> {
  return inSlices(items.length, (from, to) => {
    for (let index = from; index < to; index++) {
      work(items[index] as T);
    }
  });
}

/** Concatenates lists. Returns the list itself if there is only one. */
export function joinInSlices<T>(lists: readonly (readonly T[])[]): Coroutine<readonly T[]> {
  const [only = []] = lists;
  return lists.length <= 1 ? done(only, 1) : joinMany(lists);
}

function* joinMany<T>(lists: readonly (readonly T[])[]): Coroutine<readonly T[]> {
  const all: T[] = [];
  for (const list of lists) {
    yield* eachInSlices(list, (item) => {
      all.push(item);
    });
  }
  return all;
}

/** All entries of a map, in ascending order. */
export function entriesInSlices<V extends Ranged>(map: RangeMap<V>): Coroutine<V[]> {
  return map.size <= COPY_ENTRIES_MAX ? done(map.toArray(), 1 + map.size / COPIES_PER_STEP) : copyMany(map);
}

function* copyMany<V extends Ranged>(map: RangeMap<V>): Coroutine<V[]> {
  const entries = map.size < PREALLOCATED_LENGTH_MIN ? [] : new Array<V>(map.size);
  const cursor = { page: 0, at: 0 };
  while (cursor.page < Infinity) {
    const first = cursor.at;
    map.copyTo(entries, cursor, COPY_ENTRIES_MAX);
    const pause = pauseIfOver(1 + (cursor.at - first) / COPIES_PER_STEP);
    if (pause !== undefined) {
      yield pause;
    }
  }
  return entries;
}

/** All entries of a map that share a page with `range`, in ascending order. */
export function overlappingInSlices<V extends Ranged>(map: RangeMap<V>, range: MemoryRange): Coroutine<V[]> {
  const count = Math.min(map.size, range.endPage - range.startPage);
  if (count <= COPY_ENTRIES_MAX) {
    return done(map.overlapping(range), 1 + count / COPIES_PER_STEP);
  }
  const first = map.firstOverlap(range);
  if (first === undefined || first.range.endPage >= range.endPage) {
    return done(first === undefined ? [] : [first], 1);
  }
  return copyOverlapping(map, range, first);
}

function* copyOverlapping<V extends Ranged>(map: RangeMap<V>, { endPage }: MemoryRange, first: V): Coroutine<V[]> {
  const found: V[] = [];
  // `copyTo` copies whole leaves: there may be other entries before the first and after the last one.
  const cursor = { page: first.range.startPage, at: 0 };
  let end = 0;
  while (cursor.page < endPage) {
    const from = cursor.at;
    map.copyTo(found, cursor, COPY_ENTRIES_MAX);
    for (end = found.length; end > from && (found[end - 1] as V).range.startPage >= endPage;) {
      end -= 1;
    }
    const pause = pauseIfOver(1 + (cursor.at - from) / COPIES_PER_STEP);
    if (pause !== undefined) {
      yield pause;
    }
  }
  return found.slice(found.indexOf(first), end);
}

/** Returns the list if it is sorted by address, otherwise a sorted copy. Items that start at the same page keep their order. */
export function sortedInSlices<T extends Ranged>(items: readonly T[]): Coroutine<readonly T[]> {
  return items.length <= SORT_RUN_LENGTH
    ? done(sortedByAddress(items), 1 + items.length / COPIES_PER_STEP)
    : sortMany(items);
}

function* sortMany<T extends Ranged>(items: readonly T[]): Coroutine<readonly T[]> {
  let unsorted = 0;
  yield* inSlices(items.length - 1, (from, to) => {
    unsorted += isAscending(items, from, to + 1) ? 0 : 1;
  });
  return unsorted === 0 ? items : yield* mergeSorted(items);
}

function mergeSorted<T extends Ranged>(items: readonly T[]): Coroutine<readonly T[]> {
  return mergeRuns(items, SORT_RUN_LENGTH, sortByAddress, mergeInSlices);
}

/** A copy of the list, sorted by `compare`. Equal items keep their order. */
export function sortedByInSlices<T>(
  items: readonly T[],
  compare: (one: T, other: T) => number,
): Coroutine<readonly T[]> {
  return mergeRuns(
    items,
    COMPARED_RUN_LENGTH,
    (run) => run.sort(compare),
    (left, right) => mergeMany(left, right, compare),
  );
}

function* mergeRuns<T>(
  items: readonly T[],
  length: number,
  sort: (run: T[]) => readonly T[],
  merge: (left: readonly T[], right: readonly T[]) => Coroutine<readonly T[]>,
): Coroutine<readonly T[]> {
  let runs: (readonly T[])[] = [];
  for (let from = 0; from < items.length; from += length) {
    runs.push(sort(items.slice(from, from + length)));
    const pause = pauseIfOver(LONG_STEP);
    if (pause !== undefined) {
      yield pause;
    }
  }
  while (runs.length > 1) {
    const longer: (readonly T[])[] = [];
    for (let index = 0; index < runs.length; index += 2) {
      longer.push(yield* merge(runs[index] ?? [], runs[index + 1] ?? []));
    }
    runs = longer;
  }
  return runs[0] ?? [];
}

/** The ranges in ascending order, where overlapping ones are joined. Those that only touch are not. */
export function* mergedInSlices(ranges: readonly Ranged[]): Coroutine<readonly Ranged[]> {
  if (ranges.length < 2) {
    return ranges;
  }
  const merged: Ranged[] = [];
  for (const { range } of yield* sortedInSlices(ranges)) {
    const last = merged[merged.length - 1]?.range;
    if (last !== undefined && range.startPage < last.endPage) {
      merged[merged.length - 1] = {
        range: MemoryRange.ofPages(last.startPage, Math.max(last.endPage, range.endPage)),
      };
    } else {
      merged.push({ range });
    }
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
  return merged;
}

/** Merges two lists that are in ascending order. Returns one of them if the other is empty. */
export function mergeInSlices<T extends Ranged>(left: readonly T[], right: readonly T[]): Coroutine<readonly T[]> {
  return mergeMany(left, right, (one, other) => one.range.startPage - other.range.startPage);
}

function* mergeMany<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (one: T, other: T) => number,
): Coroutine<readonly T[]> {
  if (left.length === 0 || right.length === 0) {
    return left.length === 0 ? right : left;
  }
  const all: T[] = [];
  let [nextLeft, nextRight] = [0, 0];
  yield* inSlices(left.length + right.length, (from, to) => {
    for (let index = from; index < to; index++) {
      const [one, other] = [left[nextLeft], right[nextRight]];
      if (other === undefined || (one !== undefined && compare(one, other) <= 0)) {
        all.push(one as T);
        nextLeft += 1;
      } else {
        all.push(other);
        nextRight += 1;
      }
    }
  });
  return all;
}
