import type { ExceptionKind, Pages, WireException, WireMapping, WireRegion, WireTarget } from '../../wire/messages.js';
import { compareRank, isMapped, type ShownPart } from './shown.js';
import type { SortedList } from './sorted-list.js';
import { NO_EXCEPTIONS, sizeOf, type State } from './state.js';

/** Elements of a list that details name, at most. */
const LISTED = 50;

/** What the elements of a list share with a range, in pages, and the first of them. */
export interface Overlap<T> {
  readonly pages: number;
  readonly count: number;
  readonly first: readonly T[];
}

export interface RegionDetails {
  /** Mapped regions of higher rank that share addresses with it: they cover it where their holes are not transparent. */
  readonly above: readonly WireRegion[];
  /** Those of lower rank, which it covers in the same way. */
  readonly below: readonly WireRegion[];
  /** Size of what shows of it, in pages: mappings and holes. */
  readonly shown: number;
  /** The active mappings of it. */
  readonly mappings: Overlap<WireMapping>;
}

/** What a target has of a range. */
export interface TargetDetails {
  readonly target: WireTarget;
  /** Pages of active mappings that it holds. */
  readonly held: number;
  /** `absent` is without what is missing, and without the gaps between the mappings of a range. */
  readonly exceptions: readonly { readonly kind: ExceptionKind; readonly overlap: Overlap<WireException> }[];
}

export function overlapOf<T extends { readonly pages: Pages }>(
  list: SortedList<T>,
  [start, end]: Pages,
  counts: (item: T) => boolean = () => true,
): Overlap<T> {
  const first: T[] = [];
  let pages = 0;
  let count = 0;
  list.walk(list.floor(start)?.pages[0] ?? start, (item) => {
    const shared = Math.min(end, item.pages[1]) - Math.max(start, item.pages[0]);
    if (shared > 0 && counts(item)) {
      pages += shared;
      count++;
      if (first.length < LISTED) {
        first.push(item);
      }
    }
    return item.pages[0] >= end ? Infinity : undefined;
  });
  return { pages, count, first };
}

export function regionDetails(state: State, shown: SortedList<ShownPart>, region: WireRegion): RegionDetails {
  const [start, end] = region.pages;
  const sharing = state.regions
    .toArray()
    .filter((other) => other.key !== region.key && isMapped(other) && other.pages[0] < end && start < other.pages[1])
    .sort(compareRank);
  return {
    above: sharing.filter((other) => compareRank(other, region) < 0),
    below: sharing.filter((other) => compareRank(other, region) > 0),
    shown: overlapOf(shown, region.pages, (part) => part.region === region.key).pages,
    // Names need not be unique: what is inside another region of the name is left out where it does not show.
    mappings: overlapOf(
      state.mappings,
      region.pages,
      (mapping) => mapping.region === region.name && shown.floor(mapping.pages[0])?.region === region.key,
    ),
  };
}

/** The mapped regions at a range, by rank. */
export function regionsAt(state: State, [start, end]: Pages): readonly WireRegion[] {
  return state.regions
    .toArray()
    .filter(({ pages }) => pages[0] < end && start < pages[1])
    .sort(compareRank);
}

export function targetDetails(state: State, pages: Pages): readonly TargetDetails[] {
  const mapped = overlapOf(state.mappings, pages);
  return state.targets.map((target) => {
    const lists = state.exceptions.get(target.key) ?? NO_EXCEPTIONS;
    const kinds: readonly ExceptionKind[] = ['stuck', 'missing', 'absent', 'extra'];
    const missing = mappedIn(state, lists.missing, pages);
    // What is missing is absent too.
    const absent =
      mappedIn(state, lists.absent, pages) -
      mappedIn(state, lists.missing, pages, (range) => isWithin(range, lists.absent));
    const exceptions = kinds
      .map((kind) => ({ kind, overlap: overlapOf(lists[kind], pages) }))
      .map(({ kind, overlap }) => ({ kind, overlap: kind === 'absent' ? { ...overlap, pages: absent } : overlap }))
      .filter(({ overlap }) => overlap.pages > 0);
    return { target, held: target.phase === 'gone' ? 0 : mapped.pages - absent - missing, exceptions };
  });
}

/** Size of the active mappings in the ranges of a list, as far as they are in `[start, end]`. */
function mappedIn(
  { mappings }: State,
  list: SortedList<WireException>,
  [start, end]: Pages,
  counts: (range: WireException) => boolean = () => true,
): number {
  let pages = 0;
  list.walk(list.floor(start)?.pages[0] ?? start, (range) => {
    const shared: Pages = [Math.max(start, range.pages[0]), Math.min(end, range.pages[1])];
    if (shared[0] < shared[1] && counts(range)) {
      pages += overlapOf(mappings, shared).pages;
    }
    return range.pages[0] >= end ? Infinity : undefined;
  });
  return pages;
}

function isWithin({ pages: [start, end] }: WireException, list: SortedList<WireException>): boolean {
  const range = list.floor(start);
  return range !== undefined && end <= range.pages[1];
}

/** Totals of the regions. */
export function regionTotals(
  regions: SortedList<WireRegion>,
  shown: SortedList<ShownPart>,
): { readonly mapped: number; readonly hidden: number; readonly partly: number } {
  const sizes = new Map<number, number>();
  for (const part of shown.toArray()) {
    sizes.set(part.region, (sizes.get(part.region) ?? 0) + sizeOf(part));
  }
  let [mapped, hidden, partly] = [0, 0, 0];
  for (const region of regions.toArray()) {
    if (isMapped(region)) {
      mapped++;
      const shownPages = sizes.get(region.key) ?? 0;
      // Of one with transparent holes nobody knows how much could show.
      if (shownPages === 0) {
        hidden++;
      } else if (shownPages < sizeOf(region) && region.holes === 'opaque') {
        partly++;
      }
    }
  }
  return { mapped, hidden, partly };
}
