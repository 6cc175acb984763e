/** Stands for all names beyond the limit, as the conventions of OpenTelemetry have it. */
export const OTHER = '_OTHER';

/** Names as values of an attribute: the first ones as they are, all later ones as `_OTHER`. */
export class BoundedNames {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  of(name: string): string {
    if (this.#known.has(name)) {
      return name;
    }
    if (this.#known.size >= this.#max) {
      return OTHER;
    }
    this.#known.add(name);
    return name;
  }
}
