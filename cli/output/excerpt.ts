/** The first lines of a list that may be long. One line more than `most` is shown too: to count it would take a line as well. */
export class Excerpt {
  readonly #most: number;
  readonly #lines: string[] = [];
  #count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many were added. */
  get count(): number {
    return this.#count;
  }

  /** `line` is called only where it may be shown. */
  add(line: () => string): void {
    this.#count++;
    if (this.#count <= this.#most + 1) {
      this.#lines.push(line());
    }
  }

  /** What is shown: `rest` says how many lines are left out, two or more. */
  lines(rest: (count: number) => string): readonly string[] {
    return this.#count <= this.#most + 1
      ? this.#lines
      : [...this.#lines.slice(0, this.#most), rest(this.#count - this.#most)];
  }
}
