import type { Pages } from '../../wire/messages.js';

/** Gaps that are folded, at most: the largest ones. */
const FOLDS = 24;
/** A gap is folded when it is larger than this part of all else. */
const LARGE = 1 / 6;
/** Length of a folded gap, as a part of all else. */
const FOLDED = 1 / 30;

/** A gap that is drawn shorter than it is. */
export interface Folded {
  readonly pages: Pages;
  /** Where it is in folded addresses, and how long. */
  readonly at: number;
  readonly length: number;
}

/**
 * Folded addresses: in them large empty gaps are short, and all else is as long as it is. Both directions are piecewise linear, continuous and
 * ascending.
 */
export class Fold {
  static readonly none = new Fold([]);

  /** In ascending order. */
  readonly gaps: readonly Folded[];

  private constructor(gaps: readonly Folded[]) {
    this.gaps = gaps;
  }

  /** Folds the large gaps between ranges, and before the first one. `ranges` is ascending by first page; they may overlap. */
  static of(ranges: readonly Pages[]): Fold {
    const gaps: Pages[] = [];
    let end = 0;
    for (const [start, after] of ranges) {
      if (start > end) {
        gaps.push([end, start]);
      }
      end = Math.max(end, after);
    }
    const largest = gaps.sort((a, b) => lengthOf(b) - lengthOf(a)).slice(0, FOLDS);
    let rest = end - largest.reduce((sum, gap) => sum + lengthOf(gap), 0);
    // What is not large enough is drawn as it is, and makes the rest longer: from the smallest one up.
    while (largest.length > 0 && lengthOf(largest.at(-1) as Pages) <= rest * LARGE) {
      rest += lengthOf(largest.pop() as Pages);
    }
    const length = Math.max(1, Math.ceil(rest * FOLDED));
    let saved = 0;
    return new Fold(
      largest
        .filter((gap) => lengthOf(gap) > length)
        .sort((a, b) => a[0] - b[0])
        .map((pages) => {
          const at = pages[0] - saved;
          saved += lengthOf(pages) - length;
          return { pages, at, length };
        }),
    );
  }

  /** The folded address of a page. */
  fold(page: number): number {
    const gap = this.#lastFrom(({ pages }) => pages[0] <= page);
    if (gap === undefined) {
      return page;
    }
    const { pages, at, length } = gap;
    return page < pages[1] ? at + ((page - pages[0]) / lengthOf(pages)) * length : at + length + (page - pages[1]);
  }

  /** The page at a folded address. */
  unfold(folded: number): number {
    const gap = this.#lastFrom(({ at }) => at <= folded);
    if (gap === undefined) {
      return folded;
    }
    const { pages, at, length } = gap;
    return folded < at + length
      ? pages[0] + ((folded - at) / length) * lengthOf(pages)
      : pages[1] + (folded - at - length);
  }

  /** The folded gap that a page is in. */
  gapAt(page: number): Folded | undefined {
    const gap = this.#lastFrom(({ pages }) => pages[0] <= page);
    return gap !== undefined && page < gap.pages[1] ? gap : undefined;
  }

  #lastFrom(isBefore: (gap: Folded) => boolean): Folded | undefined {
    let low = -1;
    let high = this.gaps.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (isBefore(this.gaps[middle] as Folded)) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return this.gaps[low];
  }
}

function lengthOf([start, end]: Pages): number {
  return end - start;
}
