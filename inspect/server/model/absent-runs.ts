import { MemoryRange } from '../../../streams/index.js';
import { entriesFrom, RangeMap, type Ranged } from '../../../streams/internal.js';
import { PART_LENGTH } from './parts.js';

/** Is told of the runs that come and go, by their first page. */
export interface RunChanges {
  put(range: MemoryRange): void;
  remove(page: number): void;
}

/** The first page at which an active mapping begins, from one page on and before another. */
export type NextStart = (from: number, end: number) => number | undefined;

/**
 * The active mappings that a target does not hold, as runs of consecutive ones: a target that gets only a part of them, or that is leaving, may
 * lack a long list of mappings.
 *
 * A run begins where a mapping does. All active mappings that share a page with a run are absent. Between them may be gaps.
 */
export class AbsentRuns {
  readonly #runs = new RangeMap<Ranged>();
  readonly #nextStart: NextStart;

  constructor(nextStart: NextStart) {
    this.#nextStart = nextStart;
  }

  /** In ascending order, in parts. They may change between them: each part is as it is when it is made. */
  *ranges(): Generator<readonly MemoryRange[]> {
    for (let page = 0; page < Infinity;) {
      const { entries, end } = entriesFrom(this.#runs, page, PART_LENGTH);
      page = end;
      yield entries.map(({ range }) => range);
    }
  }

  /**
   * A mapping is absent.
   *
   * @param before the mapping before it, if that is absent, too, and nothing active is between them
   */
  add(mapping: MemoryRange, before: MemoryRange | undefined, changes: RunChanges): void {
    const reach =
      before === undefined
        ? mapping
        : MemoryRange.ofPages(Math.min(before.startPage, mapping.startPage), mapping.endPage);
    const touched = this.#runs.overlapping(reach);
    const start = Math.min(reach.startPage, touched[0]?.range.startPage ?? Infinity);
    const end = Math.max(reach.endPage, touched.at(-1)?.range.endPage ?? 0);
    if (touched.length === 1 && touched[0]?.range.startPage === start && touched[0].range.endPage === end) {
      return;
    }
    for (const { range } of touched) {
      this.#remove(range, changes);
    }
    this.#put(start, end, changes);
  }

  /** A mapping is not absent: it is held, or no longer active. */
  remove({ startPage, endPage }: MemoryRange, changes: RunChanges): void {
    if (this.#runs.size === 0) {
      return;
    }
    for (const { range } of this.#runs.overlapping(MemoryRange.ofPages(startPage, endPage))) {
      this.#remove(range, changes);
      if (range.startPage < startPage) {
        this.#put(range.startPage, startPage, changes);
      }
      const next = endPage < range.endPage ? this.#nextStart(endPage, range.endPage) : undefined;
      if (next !== undefined) {
        this.#put(next, range.endPage, changes);
      }
    }
  }

  #put(start: number, end: number, changes: RunChanges): void {
    const range = MemoryRange.ofPages(start, end);
    this.#runs.insert({ range });
    changes.put(range);
  }

  #remove(range: MemoryRange, changes: RunChanges): void {
    this.#runs.remove(range);
    changes.remove(range.startPage);
  }
}
