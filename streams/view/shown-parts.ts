import { MemoryRange, PAGE_LIMIT, partsOutside } from '../ranges/memory-range.js';
import { RangeMap, type Ranged } from '../ranges/range-map.js';
import {
  eachInSlices,
  entriesInSlices,
  joinInSlices,
  mergedInSlices,
  mergeInSlices,
  overlappingInSlices,
  sortedInSlices,
} from '../ranges/slices.js';
import { firstEndingAfter } from '../ranges/sorted-list.js';
import type { RegionState, ShownChange } from '../regions/region-state.js';
import type { RegionTable } from '../regions/region-table.js';
import type { RegionBefore, StateBefore } from '../regions/state-before.js';
import type { Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { done } from '../util/sliced-work.js';
import { pauseIfOver } from '../util/time-slice.js';

/** A part of a region that shows. */
interface Run extends Ranged {
  readonly state: RegionState;
}

/**
 * The addresses that a transaction may give to another region, in ascending order; they do not overlap. A region covers what is below it when it is
 * mapped: a region with opaque holes at all of its addresses, a transparent one at its mappings.
 */
export function coverChanges(before: StateBefore): Coroutine<readonly Ranged[]> {
  const { regions } = before;
  const [only] = regions;
  // Most transactions are about one region.
  return only !== undefined && regions.length === 1 ? coverChangeOf(only) : coverChangesOfMany(before);
}

function* coverChangesOfMany(before: StateBefore): Coroutine<readonly Ranged[]> {
  const lists: (readonly Ranged[])[] = [];
  for (const region of before.regions) {
    const changed = yield* coverChangeOf(region);
    if (changed.length > 0) {
      lists.push(changed);
    }
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
  return yield* mergedInSlices(yield* joinInSlices(lists));
}

function coverChangeOf(region: RegionBefore): Coroutine<readonly Ranged[]> {
  const { state } = region;
  const wasMapped = region.visible !== undefined;
  const isMapped = state.visible !== undefined;
  return state.isTransparent
    ? transparentChangeOf(region, wasMapped, isMapped)
    : done(wasMapped === isMapped ? EMPTY_LIST : [state], 1);
}

function* transparentChangeOf(
  region: RegionBefore,
  wasMapped: boolean,
  isMapped: boolean,
): Coroutine<readonly Ranged[]> {
  if (wasMapped && isMapped) {
    return yield* mergedInSlices(yield* region.edited());
  }
  const mappings = wasMapped ? region.mappings() : isMapped ? entriesInSlices(region.state.mappings) : undefined;
  return mappings === undefined ? EMPTY_LIST : yield* sortedInSlices(yield* mappings);
}

/**
 * How the parts that show change at `dirty` addresses, for every region for which they change.
 *
 * At each address the mapped region of the highest rank that covers it shows (`compareRank`). This one rule serves both rules of overlap: where
 * each region contains those below it, a region shows as a whole or not at all.
 */
export function* shownChanges(
  table: RegionTable,
  before: StateBefore,
  dirty: readonly Ranged[],
): Coroutine<ReadonlyMap<RegionState, ShownChange>> {
  const runs = new Map<RegionState, Ranged[]>();
  yield* eachInSlices(before.regions, ({ state }) => {
    if (state.active) {
      runs.set(state, []);
    }
  });
  for (const { range } of dirty) {
    const regions = yield* table.overlappingInSlices(range);
    yield* eachInSlices(regions, (state) => {
      if (state.active && !runs.has(state)) {
        runs.set(state, []);
      }
    });
    yield* eachInSlices(yield* resolve(regions, range), (run) => {
      const known = runs.get(run.state);
      if (known === undefined) {
        runs.set(run.state, [run]);
      } else {
        known.push(run);
      }
    });
  }
  const changes = new Map<RegionState, ShownChange>();
  for (const [state, now] of runs) {
    const change = yield* changeOf(state, dirty, now);
    if (change !== undefined) {
      changes.set(state, change);
    }
  }
  return changes;
}

/** Which region shows at each address of `range`, in ascending order. `regions` are those that share a page with it, by rank. */
function resolve(regions: readonly RegionState[], range: MemoryRange): Coroutine<readonly Run[]> {
  const highest = regions.find(({ visible }) => visible !== undefined);
  if (highest === undefined) {
    return done(EMPTY_LIST, 1);
  }
  // Most regions contain those below them.
  return !highest.isTransparent && highest.range.contains(range)
    ? done([{ state: highest, range }], 1)
    : resolveMany(regions, range);
}

function* resolveMany(regions: readonly RegionState[], range: MemoryRange): Coroutine<readonly Run[]> {
  const free = new RangeMap<Ranged>();
  free.insert({ range });
  const runs: Run[] = [];
  for (const state of regions) {
    if (free.size === 0) {
      break;
    }
    if (state.visible !== undefined) {
      const covers: readonly Ranged[] = state.isTransparent
        ? yield* overlappingInSlices(state.mappings, range)
        : [state];
      yield* eachInSlices(covers, (cover) => {
        take(free, cover.range, state, runs);
      });
    }
  }
  return yield* sortedInSlices(runs);
}

/** Gives the free addresses inside `cover` to a region. */
function take(free: RangeMap<Ranged>, cover: MemoryRange, state: RegionState, runs: Run[]): void {
  for (const gap of free.overlapping(cover)) {
    runs.push({ state, range: gap.range.intersection(cover) as MemoryRange });
    free.remove(gap.range);
    for (const range of partsOutside(gap.range, cover)) {
      free.insert({ range });
    }
  }
}

/** @param runs the parts that show now at `dirty` addresses */
function changeOf(
  state: RegionState,
  dirty: readonly Ranged[],
  runs: readonly Ranged[],
): Coroutine<ShownChange | undefined> {
  const [only] = dirty;
  if (dirty.length === 1 && only?.range.contains(state.range) === true && state.partCount < 2 && runs.length < 2) {
    // Most regions show as a whole or not at all.
    const removed = state.partsOverlapping(state.range);
    const isChanged = removed.length !== runs.length || removed[0]?.range.equals((runs[0] ?? state).range) === false;
    return done(isChanged ? { state, removed, added: runs } : undefined, 1);
  }
  return changeAtMany(state, dirty, runs);
}

function* changeAtMany(
  state: RegionState,
  dirty: readonly Ranged[],
  runs: readonly Ranged[],
): Coroutine<ShownChange | undefined> {
  const removed: Ranged[] = [];
  const kept: Ranged[] = [];
  let next = firstEndingAfter(dirty, state.range.startPage);
  for (; next < dirty.length && (dirty[next] as Ranged).range.startPage < state.range.endPage; next++) {
    // The neighbours too: a part that ends where a new one begins becomes longer.
    const parts = yield* state.partsInSlices(widened((dirty[next] as Ranged).range));
    const isKnown = removed[removed.length - 1]?.range === parts[0]?.range;
    for (let index = isKnown ? 1 : 0; index < parts.length; index++) {
      const part = parts[index] as Ranged;
      removed.push(part);
      yield* appendOutside(kept, part.range, dirty, next);
    }
  }
  const added = yield* joinedInSlices(yield* mergeInSlices(kept, runs));
  return (yield* isSame(removed, added)) ? undefined : { state, removed, added };
}

/** Appends the parts of a range outside all of `dirty`. No range of `dirty` before the index `from` - 1 shares a page with it. */
function* appendOutside(parts: Ranged[], range: MemoryRange, dirty: readonly Ranged[], from: number): Coroutine<void> {
  let start = range.startPage;
  for (let index = firstEndingAfter(dirty, start, Math.max(0, from - 1)); start < range.endPage; index++) {
    const cut = dirty[index]?.range;
    const end = Math.min(cut?.startPage ?? Infinity, range.endPage);
    if (start < end) {
      parts.push({ range: MemoryRange.ofPages(start, end) });
    }
    start = cut?.endPage ?? Infinity;
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
}

/** A range with one page more at each side, inside the address space. */
export function widened({ startPage, endPage }: MemoryRange): MemoryRange {
  return MemoryRange.ofPages(Math.max(0, startPage - 1), Math.min(PAGE_LIMIT, endPage + 1));
}

/** Ascending parts, where those that touch are joined. */
function* joinedInSlices(parts: readonly Ranged[]): Coroutine<readonly Ranged[]> {
  if (parts.length < 2) {
    return parts;
  }
  const all: Ranged[] = [];
  yield* eachInSlices(parts, ({ range }) => {
    const last = all[all.length - 1]?.range;
    if (last?.endPage === range.startPage) {
      all[all.length - 1] = { range: MemoryRange.ofPages(last.startPage, range.endPage) };
    } else {
      all.push({ range });
    }
  });
  return all;
}

function* isSame(some: readonly Ranged[], others: readonly Ranged[]): Coroutine<boolean> {
  let differences = some.length === others.length ? 0 : 1;
  if (differences === 0) {
    let index = 0;
    yield* eachInSlices(some, ({ range }) => {
      differences += range.equals((others[index++] as Ranged).range) ? 0 : 1;
    });
  }
  return differences === 0;
}
