import type { Pages } from '../../wire/messages.js';

/** What a region covers: the ones of lower rank do not show there. */
export interface Cover {
  readonly pages: Pages;
  /** Key of the region. */
  readonly region: number;
  /** 0 is the highest. */
  readonly rank: number;
}

/** Finds, for one range after the other, which of some covers contains it: of several, the one that is first by rank. */
export class Owners {
  /** In ascending order of the first page. */
  readonly #covers: readonly Cover[];
  /** Where they end, in descending order. */
  readonly #ends: Float64Array;
  /** For covers that begin before the range: at each place of a Fenwick tree the first one by rank of those that end so far or farther. */
  readonly #first: (Cover | undefined)[];
  #next = 0;

  constructor(covers: readonly Cover[]) {
    this.#covers = [...covers].sort((a, b) => a.pages[0] - b.pages[0]);
    this.#ends = Float64Array.from(covers, ({ pages }) => pages[1])
      .sort()
      .reverse();
    this.#first = new Array<Cover | undefined>(covers.length + 1).fill(undefined);
  }

  /** Takes ranges in ascending order of the first page. */
  of([start, end]: Pages): Cover | undefined {
    for (
      let cover = this.#covers[this.#next];
      cover !== undefined && cover.pages[0] <= start;
      cover = this.#covers[++this.#next]
    ) {
      this.#add(cover);
    }
    let found: Cover | undefined;
    for (let place = this.#endingFrom(end); place > 0; place -= place & -place) {
      found = firstByRank(found, this.#first[place]);
    }
    return found;
  }

  #add(cover: Cover): void {
    for (let place = this.#endingFrom(cover.pages[1]); place < this.#first.length; place += place & -place) {
      this.#first[place] = firstByRank(cover, this.#first[place]);
    }
  }

  /** The number of covers that end at a page or after it. */
  #endingFrom(page: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ends[middle] ?? 0) >= page) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

function firstByRank(a: Cover | undefined, b: Cover | undefined): Cover | undefined {
  return a === undefined || (b !== undefined && b.rank < a.rank) ? b : a;
}
