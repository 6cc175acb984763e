/** The first entries of a long list; an entry may have several lines. A single entry beyond `most` is shown: counting it would take a line as well. */
export class Excerpt {
  readonly #most: number;
  readonly #entries: (readonly string[])[] = [];
  #count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** The number of added entries. */
  get count(): number {
    return this.#count;
  }

  /** `lines` is called only if the entry may be shown. */
  add(lines: () => readonly string[]): void {
    this.#count++;
    if (this.#count <= this.#most + 1) {
      this.#entries.push(lines());
    }
  }

  /** The lines to show. `rest` makes the line that counts the entries left out, of which there are at least two. */
  lines(rest: (count: number) => string): readonly string[] {
    return this.#count <= this.#most + 1
      ? this.#entries.flat()
      : [...this.#entries.slice(0, this.#most).flat(), rest(this.#count - this.#most)];
  }
}
