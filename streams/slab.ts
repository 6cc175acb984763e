/** Values by number. A number is free again once its value has been taken out. */
export class Slab<V> {
  readonly #values: (V | undefined)[] = [];
  /** The numbers that are free are its first ones; it is never made shorter, which would have it copied again and again. */
  readonly #free: number[] = [];
  #freeCount = 0;

  /** Returns the number of the value. */
  put(value: V): number {
    if (this.#freeCount === 0) {
      return this.#values.push(value) - 1;
    }
    const ref = this.#free[--this.#freeCount] as number;
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
    this.#free[this.#freeCount++] = ref;
    return value;
  }
}
