export class Inner {
  static readonly first = initialize();
  readonly #value = 1;

  get value(): number {
    return this.#value;
  }

  notCalled(): number {
    return this.#value;
  }
}

/** Called by a static initializer only. */
function initialize(): number {
  return 1;
}
