/** Rows of numbers for native code, and what it answers to each. */
export interface Rows {
  readonly numbers: Float64Array;
  readonly results: Int32Array;
}

/** What a single large set needed is not kept for good. */
const MOST_KEPT = 4096;

/**
 * The arrays of the last set, for the next one: making them costs more than filling them. Once taken they are nobody else's until they are
 * given back, also when a getter of a caller comes to use the same address space.
 */
export class RowBuffers {
  readonly #width: number;
  #spare: Rows | undefined;

  /** @param width numbers in a row */
  constructor(width: number) {
    this.#width = width;
  }

  take(rows: number): Rows {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare !== undefined && spare.results.length >= rows) {
      return spare;
    }
    const room = Math.max(64, rows);
    return { numbers: new Float64Array(room * this.#width), results: new Int32Array(room) };
  }

  giveBack(rows: Rows): void {
    if (rows.results.length <= MOST_KEPT) {
      this.#spare = rows;
    }
  }
}
