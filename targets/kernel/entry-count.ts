/**
 * The number of entries that a target uses, computed from the number that is available to all.
 *
 * The available number is read before each map until one has succeeded. From then on, the difference is the number of maps.
 */
export class EntryCount {
  readonly #left: () => number | undefined;
  #before: number | undefined = undefined;
  #hasMapped = false;
  #atFirst: number | undefined = undefined;

  /** @param left queries the kernel; may throw */
  constructor(left: () => number | undefined) {
    this.#left = left;
  }

  /** Number of available entries at the first call at which it was known; `undefined` if it is not known. */
  availableAtFirst(): number | undefined {
    return (this.#atFirst ??= this.#leftIfKnown());
  }

  /** Call this before a map is made. */
  beforeMap(): void {
    if (!this.#hasMapped) {
      this.#before = this.#leftIfKnown(); // The error of the map is more precise than that of the query.
    }
  }

  #leftIfKnown(): number | undefined {
    try {
      return this.#left();
    } catch {
      return undefined;
    }
  }

  /** Call this after maps were made. @param made number of maps that succeeded */
  afterMap(made: number): void {
    this.#hasMapped ||= made > 0;
  }

  /**
   * Number of entries used since the first map; `undefined` before that, and if the kernel does not report it.
   *
   * @throws the error of the query
   */
  taken(): number | undefined {
    const left = this.#left();
    return left === undefined || this.#before === undefined || !this.#hasMapped ? undefined : this.#before - left;
  }
}
