/** The first entries of a list that may be long, each of one line or several. One entry more than `most` is shown too: to count it would take a line as well. */
export class Excerpt {
  readonly #most: number;
  readonly #entries: (readonly string[])[] = [];
  #count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many were added. */
  get count(): number {
    return this.#count;
  }

  /** `lines` is called only where they may be shown. */
  add(lines: () => readonly string[]): void {
    this.#count++;
    if (this.#count <= this.#most + 1) {
      this.#entries.push(lines());
    }
  }

  /** What is shown: `rest` says how many entries are left out, two or more. */
  lines(rest: (count: number) => string): readonly string[] {
    return this.#count <= this.#most + 1
      ? this.#entries.flat()
      : [...this.#entries.slice(0, this.#most).flat(), rest(this.#count - this.#most)];
  }
}
