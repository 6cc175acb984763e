/**
 * How many entries a target takes up, by how many are left to all.
 *
 * What was left is looked at before each map until one has succeeded: from then on the difference is what has been mapped.
 */
export class EntryCount {
  readonly #left: () => number | undefined;
  #before: number | undefined = undefined;
  #hasMapped = false;

  /** @param left asks the kernel; may throw */
  constructor(left: () => number | undefined) {
    this.#left = left;
  }

  /** To be called before a map is made. */
  beforeMap(): void {
    if (this.#hasMapped) {
      return;
    }
    try {
      this.#before = this.#left();
    } catch {
      this.#before = undefined; // What is wrong, the map says better.
    }
  }

  /** To be called when maps have been made, and how many of them have succeeded. */
  afterMap(made: number): void {
    this.#hasMapped ||= made > 0;
  }

  /**
   * Entries that are taken up more than before the first map; `undefined` before that, and where the kernel does not tell.
   *
   * @throws what asking the kernel throws
   */
  taken(): number | undefined {
    const left = this.#left();
    return left === undefined || this.#before === undefined || !this.#hasMapped ? undefined : this.#before - left;
  }
}
