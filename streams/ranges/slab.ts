/** Values that share an array: as a power of two, and as a mask. Longer arrays have more room to spare, and are copied when they grow. */
const CHUNK_BITS = 10;
const CHUNK_LENGTH = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_LENGTH - 1;

/** Values by number. A number is free again once its value has been taken out. */
export class Slab<V> {
  /** The first one grows with what is put into it, because most slabs are small. */
  readonly #arrays: (V | undefined)[][] = [[]];
  /** The numbers that are in use, or free, are below it. */
  #end = 0;
  /** The numbers that are free are its first ones; it is never made shorter, which would have it copied again and again. */
  readonly #free: number[] = [];
  #freeCount = 0;

  /** Returns the number of the value. */
  put(value: V): number {
    const ref = this.#freeCount === 0 ? this.#end++ : (this.#free[--this.#freeCount] as number);
    const place = ref & CHUNK_MASK;
    if (place === 0 && ref === this.#arrays.length << CHUNK_BITS) {
      this.#arrays.push(new Array<V | undefined>(CHUNK_LENGTH));
    }
    (this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[])[place] = value;
    return ref;
  }

  /** `undefined` where nothing is. */
  at(ref: number): V | undefined {
    return this.#arrays[ref >> CHUNK_BITS]?.[ref & CHUNK_MASK];
  }

  replace(ref: number, value: V): void {
    (this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[])[ref & CHUNK_MASK] = value;
  }

  take(ref: number): V | undefined {
    const array = this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[];
    const value = array[ref & CHUNK_MASK];
    array[ref & CHUNK_MASK] = undefined;
    this.#free[this.#freeCount++] = ref;
    return value;
  }
}
