/** Values by number. A number is free again once its value has been taken out. */
export class Slab<V> {
  readonly #values: (V | undefined)[] = [];
  readonly #free: number[] = [];

  /** Returns the number of the value. */
  put(value: V): number {
    const ref = this.#free.pop();
    if (ref === undefined) {
      return this.#values.push(value) - 1;
    }
    this.#values[ref] = value;
    return ref;
  }

  /** `undefined` where nothing is. */
  at(ref: number): V | undefined {
    return this.#values[ref];
  }

  replace(ref: number, value: V): void {
    this.#values[ref] = value;
  }

  take(ref: number): V | undefined {
    const value = this.#values[ref];
    this.#values[ref] = undefined;
    this.#free.push(ref);
    return value;
  }
}
