/** Runs one row synchronously. Returns a negative errno, or the number of bytes that were unmapped. */
export type RowRunner = (kind: number, iova: number, length: number, source: number) => number;

/**
 * Runs the first `count` rows, and returns the number of rows that were run. With `later`, it runs them on a separate thread, and returns a
 * promise of that, or a negative errno if the thread cannot be created.
 */
export interface Runner {
  (rows: Float64Array, results: Int32Array, count: number, stopAtFailure: boolean, later: false): number;
  (
    rows: Float64Array,
    results: Int32Array,
    count: number,
    stopAtFailure: boolean,
    later: true,
  ): Promise<number> | number;
}
