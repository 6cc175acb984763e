import { MemoryRange, type MapChange, type MappingType } from '../../streams/index.js';
import type { HeldMapping } from '../replay/report.js';

/** One piece of the picture. */
export type Segment = MappingSegment | FoldedSegment | HoleSegment;

export interface MappingSegment {
  readonly kind: 'mapping';
  readonly range: MemoryRange;
  readonly bytes: bigint;
  readonly name: string;
  readonly type: MappingType;
  readonly writable: boolean;
  /** For each target, whether it holds it. */
  readonly holders: readonly boolean[];
}

/** Two or more mappings, and holes between them, that are too many to be drawn. */
export interface FoldedSegment {
  readonly kind: 'folded';
  readonly range: MemoryRange;
  /** Of its mappings. */
  readonly bytes: bigint;
  readonly mappings: number;
  /** For each target, whether it holds all of them. */
  readonly holders: readonly boolean[];
}

export interface HoleSegment {
  readonly kind: 'hole';
  readonly range: MemoryRange;
  readonly bytes: bigint;
}

/** With more mappings than this, only the largest are drawn one by one. */
const MOST_DRAWN = 32;

/** How many that are then, at most: those that are larger than all others. */
const LARGEST_DRAWN = 16;

/** How many holes are drawn then between mappings that are not: those that are larger than all others. */
const LARGEST_HOLES = 8;

/** What is to be drawn from address 0 up to the last mapping's end, in ascending order, without a gap. */
export function layOut(
  mappings: readonly MapChange[],
  holders: readonly { readonly held: readonly HeldMapping[] }[],
): readonly Segment[] {
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
      segments.push(hole(end, range.start));
    }
    if (shown) {
      segments.push(drawnMapping(mapping, held));
    } else {
      fold.push(mapping);
    }
    end = range.end;
  }
  closeFold();
  return segments;
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

function pages({ range }: MapChange): number {
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

function hole(start: bigint, end: bigint): HoleSegment {
  const range = MemoryRange.of(start, end);
  return { kind: 'hole', range, bytes: range.length };
}
