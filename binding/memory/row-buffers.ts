/** Rows of numbers for native code, and the result of each. */
export interface Rows {
  readonly numbers: Float64Array;
  readonly results: Int32Array;
}

/** Maximum number of rows that are kept. Larger arrays are not reused, so that one large set does not occupy memory permanently. */
const MOST_KEPT = 4096;

/**
 * The arrays of the last set, for reuse: allocating them takes longer than filling them. Arrays that were taken have one user until they
 * are returned, even if a getter of a caller uses the same address space in between.
 */
export class RowBuffers {
  readonly #width: number;
  #spare: Rows | undefined;

  /** @param width numbers per row */
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
