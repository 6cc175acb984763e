import { MemoryRange, type MapChange, type MappingType } from '../../streams/index.js';
import { partsOutside } from '../../streams/internal.js';
import { NO_LAYERS, type CoveredPart, type Layers, type PlacedWindow } from '../replay/layers.js';
import type { HeldMapping } from '../replay/report.js';

/** One piece of the picture. */
export type Segment = MappingSegment | FoldedSegment | HoleSegment;

interface AnySegment {
  readonly range: MemoryRange;
  /** Memory in its range that does not show, the uppermost first; absent if there is none. */
  readonly covered?: readonly CoveredMemory[];
}

export interface CoveredMemory {
  readonly name: string;
  readonly bytes: bigint;
}

export interface MappingSegment extends AnySegment {
  readonly kind: 'mapping';
  readonly bytes: bigint;
  readonly name: string;
  readonly type: MappingType;
  readonly writable: boolean;
  /** For each target, whether it holds it. */
  readonly holders: readonly boolean[];
}

/** Two or more mappings, and holes between them, that are too many to be drawn. */
export interface FoldedSegment extends AnySegment {
  readonly kind: 'folded';
  /** Of its mappings. */
  readonly bytes: bigint;
  readonly mappings: number;
  /** For each target, whether it holds all of them. */
  readonly holders: readonly boolean[];
}

export interface HoleSegment extends AnySegment {
  readonly kind: 'hole';
  readonly bytes: bigint;
  /** Of the window that shows there; absent if there is none. */
  readonly name?: string;
}

/** With more mappings than this, only the largest are drawn one by one. */
const MOST_DRAWN = 32;

/** How many that are then, at most: those that are larger than all others. */
const LARGEST_DRAWN = 16;

/** How many holes are drawn then between mappings that are not: those that are larger than all others. */
const LARGEST_HOLES = 8;

/** How many windows are drawn by name, at most: those that are larger than all others. */
const LARGEST_WINDOWS = 16;

/** What is to be drawn from address 0 up to the end of the last mapping, or of what is covered, in ascending order, without a gap. */
export function layOut(
  mappings: readonly MapChange[],
  holders: readonly { readonly held: readonly HeldMapping[] }[],
  { covered, windows }: Layers = NO_LAYERS,
): readonly Segment[] {
  const named = largest(windows, LARGEST_WINDOWS, pages);
  const drawnWindows = windows.filter((window) => named.has(window));
  const held = holders.map((holder) => new Set(holder.held.map(({ range }) => range.toString())));
  const drawn = largest(mappings, LARGEST_DRAWN, pages);
  const gaps = mappings.slice(1).map((after, index) => ({ after, pages: gapBefore(after, mappings[index]) }));
  const breaks = new Set([...largest(gaps, LARGEST_HOLES, (gap) => gap.pages)].map(({ after }) => after));
  const drawAll = mappings.length <= MOST_DRAWN;
  const segments: Segment[] = [];
  let fold: MapChange[] = [];
  let end = 0n;

  const closeFold = (): void => {
    const all = fold;
    const [first] = all;
    const last = all.at(-1);
    fold = [];
    if (first === undefined || last === undefined) {
      return;
    }
    segments.push(
      first === last
        ? drawnMapping(first, held)
        : {
            kind: 'folded',
            range: MemoryRange.of(first.range.start, last.range.end),
            bytes: all.reduce((sum, { range }) => sum + range.length, 0n),
            mappings: all.length,
            holders: held.map((ranges) => all.every(({ range }) => ranges.has(range.toString()))),
          },
    );
  };

  for (const mapping of mappings) {
    const { range } = mapping;
    const shown = drawAll || drawn.has(mapping);
    if (shown || breaks.has(mapping)) {
      closeFold();
    }
    if (range.start > end && fold.length === 0) {
      segments.push(...holes(end, range.start, drawnWindows));
    }
    if (shown) {
      segments.push(drawnMapping(mapping, held));
    } else {
      fold.push(mapping);
    }
    end = range.end;
  }
  closeFold();
  const last = covered.reduce((most, { range }) => (range.end > most ? range.end : most), 0n);
  if (last > end) {
    segments.push(...holes(end, last, drawnWindows));
  }
  return covered.length === 0 ? segments : segments.map((segment) => withCovered(segment, covered));
}

function withCovered(segment: Segment, covered: readonly CoveredPart[]): Segment {
  const bytes = new Map<string, bigint>();
  for (const { range, name } of covered) {
    const common = range.intersection(segment.range);
    if (common !== undefined) {
      bytes.set(name, (bytes.get(name) ?? 0n) + common.length);
    }
  }
  return bytes.size === 0
    ? segment
    : { ...segment, covered: [...bytes].map(([name, count]) => ({ name, bytes: count })) };
}

/** At most `count`, and all of them larger than any other. */
function largest<T>(items: readonly T[], count: number, sizeOf: (item: T) => number): ReadonlySet<T> {
  const bySize = [...items].sort((a, b) => sizeOf(b) - sizeOf(a));
  const next = bySize[count];
  const limit = next === undefined ? -1 : sizeOf(next);
  return new Set(bySize.slice(0, count).filter((item) => sizeOf(item) > limit));
}

function gapBefore({ range }: MapChange, before: MapChange | undefined): number {
  return before === undefined ? 0 : range.startPage - before.range.endPage;
}

function pages({ range }: { readonly range: MemoryRange }): number {
  return range.endPage - range.startPage;
}

function drawnMapping(mapping: MapChange, held: readonly ReadonlySet<string>[]): MappingSegment {
  const { range, region, type, writable } = mapping;
  return {
    kind: 'mapping',
    range,
    bytes: range.length,
    name: region,
    type,
    writable,
    holders: held.map((ranges) => ranges.has(range.toString())),
  };
}

/** A hole, divided at the borders of the windows that show in it. */
function holes(start: bigint, end: bigint, windows: readonly PlacedWindow[]): readonly HoleSegment[] {
  const found: HoleSegment[] = [];
  let rest: readonly MemoryRange[] = [MemoryRange.of(start, end)];
  for (const { range: window, name } of windows) {
    for (const part of rest) {
      const range = part.intersection(window);
      if (range !== undefined) {
        found.push({ kind: 'hole', range, bytes: range.length, name });
      }
    }
    rest = rest.flatMap((part) => (part.overlaps(window) ? partsOutside(part, window) : [part]));
  }
  found.push(...rest.map((range): HoleSegment => ({ kind: 'hole', range, bytes: range.length })));
  return found.sort((a, b) => a.range.startPage - b.range.startPage);
}
