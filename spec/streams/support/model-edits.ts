import fc from 'fast-check';
import type { Edit, PageModel } from './page-model.js';

export interface AnyEdit {
  readonly edit: Edit;
  /** Whether it may be invalid in the current state. */
  readonly wild: boolean;
}

/**
 * Changes an edit to fit the current state, so that most edits are not refused: selects an existing region, pages inside it, and whole mappings to
 * remove. Of a wild edit only the number of the region is changed.
 */
export function fitted({ regions }: PageModel, { edit, wild }: AnyEdit): Edit {
  if (edit.kind === 'add region' || edit.kind === 'add ram' || regions.length === 0) {
    return edit;
  }
  const present = regions.flatMap((one, index) => (one.present ? [index] : []));
  const index =
    wild || present.length === 0 ? edit.region % regions.length : (present[edit.region % present.length] ?? 0);
  const region = regions[index];
  if (wild || region === undefined || !('start' in edit)) {
    return { ...edit, region: index };
  }
  const length = region.end - region.start;
  let start = edit.start % length;
  let end = Math.min(length, start + edit.end - edit.start);
  if (edit.kind === 'remove mappings') {
    start = Math.min(start, (region.cells[region.start + start]?.start ?? Infinity) - region.start);
    end = Math.max(end, (region.cells[region.start + end - 1]?.end ?? 0) - region.start);
  }
  return { ...edit, region: index, start, end };
}

/** Number of pages in the address space of the model. Small, so that ranges often overlap. */
export const PAGES = 24;

/** Any range of one or several pages. */
const pages = (limit: number): fc.Arbitrary<{ readonly start: number; readonly end: number }> =>
  fc
    .tuple(fc.nat({ max: limit - 1 }), fc.integer({ min: 1, max: 6 }))
    .map(([start, length]) => ({ start, end: Math.min(limit, start + length) }));

/** Ranges and priorities of nested regions: the larger one has the higher priority. */
const nested = fc
  .constantFrom([24, 2], [12, 1], [12, 1], [6, 0], [6, 0], [3, -1])
  .chain(([size = 1, priority = 0]) =>
    fc.nat({ max: PAGES / size - 1 }).map((index) => ({ start: index * size, end: (index + 1) * size, priority })),
  );

const anyPlace = fc.tuple(pages(PAGES), fc.nat({ max: 2 })).map(([at, priority]) => ({ ...at, priority }));

const type = fc.constantFrom('ram', 'ram', 'ram', 'device');
const region = fc.nat({ max: 11 });
const memory = fc.constantFrom('a@0', 'a@0', 'a@0', 'a@0', 'a@4', 'a@4', 'b@0', 'b@0', 'private');

const regionPlace = fc.oneof({ weight: 5, arbitrary: nested }, { weight: 1, arbitrary: anyPlace });

const edits: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(regionPlace, type).map(([at, of]): Edit => ({ kind: 'add region', ...at, type: of })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(regionPlace, memory).map(([at, of]): Edit => ({ kind: 'add ram', ...at, memory: of })),
  },
  { weight: 1, arbitrary: region.map((picked): Edit => ({ kind: 'remove region', region: picked })) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(region, fc.constantFrom('rw', 'rw', 'rw', 'ro'))
      .map(([picked, how]): Edit => ({ kind: 'show', region: picked, how })),
  },
  { weight: 2, arbitrary: region.map((picked): Edit => ({ kind: 'hide', region: picked })) },
  {
    weight: 6,
    arbitrary: fc.tuple(region, pages(PAGES), fc.boolean(), memory).map(([picked, at, writable, of]): Edit => ({
      kind: 'add mapping',
      region: picked,
      ...at,
      writable,
      memory: of,
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(region, pages(PAGES))
      .map(([picked, at]): Edit => ({ kind: 'remove mappings', region: picked, ...at })),
  },
);

export const edit = fc
  .tuple(edits, fc.nat({ max: 11 }))
  .map(([one, luck]): AnyEdit => ({ edit: one, wild: luck === 11 }));

/** Which call fails, if any. */
export const fault = fc.option(fc.nat({ max: 6 }), { nil: undefined, freq: 3 });
