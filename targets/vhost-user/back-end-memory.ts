import type { WireRegion } from './messages.js';

/** A region that a back end has, or is to get. */
export interface SharedRegion extends WireRegion {
  /** Its descriptor is sent to the back end. */
  readonly file: { readonly fd: number };
}

/** How a back end learns what memory there is. Calls are made one at a time. */
export interface BackEndMemory {
  /** Number of regions that it takes. */
  readonly limit: number;
  /** Names of the requests, for errors. */
  readonly addRequest: string;
  readonly removeRequest: string;
  /**
   * Adds regions. Resolves when the back end has proved that it has processed them.
   *
   * @returns the number of regions that it has now, from the first on; it has refused the next one
   * @throws DmaError `ERR_TARGET_GONE`
   */
  add(regions: readonly SharedRegion[]): Promise<number>;
  /**
   * Removes regions.
   *
   * @param barrier whether it has to be proved that they are removed; otherwise an ack is enough
   * @returns the indexes of the regions that it has refused to remove, and still has; ascending
   * @throws DmaError `ERR_TARGET_GONE`
   */
  remove(regions: readonly SharedRegion[], barrier: boolean): Promise<readonly number[]>;
}
