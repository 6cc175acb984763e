import { sortByAddress, sortedByAddress, isAscending } from './sort-by-address.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { MemoryRange } from './memory-range.js';
import type { Ranged, RangeMap } from './range-map.js';
import type { Coroutine } from '../util/coroutine.js';
import { done, inSlices, ITEMS_AT_ONCE_MAX } from '../util/sliced-work.js';

/** Lists that may be long, made without holding up the event loop. Nothing is to change them meanwhile. */

/** Entries of a map that are copied between two looks at the clock. Several are copied in the time of one step. */
export const COPY_ENTRIES_MAX = 512;
export const COPIES_PER_STEP = 8;

/** From so many items on a list is made in its full length: one that grows is copied again and again, each time as a whole. */
export const PREALLOCATED_LENGTH_MIN = 1 << 16;

/** Items that are sorted at once. */
const SORT_RUN_LENGTH = 1024;

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

export function filterInSlices<T>(items: readonly T[], isWanted: (item: T) => boolean): Coroutine<T[]> {
  return items.length <= ITEMS_AT_ONCE_MAX ? done(items.filter(isWanted), items.length) : filterMany(items, isWanted);
}

function* filterMany<T>(items: readonly T[], isWanted: (item: T) => boolean): Coroutine<T[]> {
  const wanted: T[] = [];
  yield* eachInSlices(items, (item) => {
    if (isWanted(item)) {
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

/** The lists in one list: the only one itself, where there is one. */
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

/** All entries of a map, ascending. */
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

/** All entries of a map that share a page with `range`, ascending and whole. */
export function overlappingInSlices<V extends Ranged>(map: RangeMap<V>, range: MemoryRange): Coroutine<V[]> {
  if (map.size <= COPY_ENTRIES_MAX) {
    return done(map.overlapping(range), 1 + map.size / COPIES_PER_STEP);
  }
  const first = map.firstOverlap(range);
  if (first === undefined || first.range.endPage >= range.endPage) {
    return done(first === undefined ? [] : [first], 1);
  }
  return copyOverlapping(map, range, first);
}

function* copyOverlapping<V extends Ranged>(map: RangeMap<V>, { endPage }: MemoryRange, first: V): Coroutine<V[]> {
  const found: V[] = [];
  // Some more come with the first and the last of them.
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

/** In order of their addresses, in a list of its own unless it is sorted already. Items that start at the same page keep their order. */
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

function* mergeSorted<T extends Ranged>(items: readonly T[]): Coroutine<readonly T[]> {
  let runs: (readonly T[])[] = [];
  for (let from = 0; from < items.length; from += SORT_RUN_LENGTH) {
    runs.push(sortByAddress(items.slice(from, from + SORT_RUN_LENGTH)));
    const pause = pauseIfOver(LONG_STEP);
    if (pause !== undefined) {
      yield pause;
    }
  }
  while (runs.length > 1) {
    const longer: (readonly T[])[] = [];
    for (let index = 0; index < runs.length; index += 2) {
      longer.push(yield* mergeInSlices(runs[index] ?? [], runs[index + 1] ?? []));
    }
    runs = longer;
  }
  return runs[0] ?? [];
}

/** Two ascending lists in one. */
export function* mergeInSlices<T extends Ranged>(left: readonly T[], right: readonly T[]): Coroutine<readonly T[]> {
  if (left.length === 0 || right.length === 0) {
    return left.length === 0 ? right : left;
  }
  const all: T[] = [];
  let [nextLeft, nextRight] = [0, 0];
  yield* inSlices(left.length + right.length, (from, to) => {
    for (let index = from; index < to; index++) {
      const [one, other] = [left[nextLeft], right[nextRight]];
      if (other === undefined || (one !== undefined && one.range.startPage <= other.range.startPage)) {
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
