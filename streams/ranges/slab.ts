/** Length of the arrays, with its binary logarithm and the mask of an index. Longer arrays would have more unused space. */
const CHUNK_BITS = 10;
const CHUNK_LENGTH = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_LENGTH - 1;

/** Stores values and gives each a number, its reference. The number of a removed value is used again. */
export class Slab<V> {
  /** The first array grows with its values, because most slabs are small. The others have their full length from the start. */
  readonly #arrays: (V | undefined)[][] = [[]];
  /** All numbers below it are in use or free. */
  #end = 0;
  /** Its first `#freeCount` elements are the free numbers. It is never shortened: arrays that shrink and grow are copied again and again. */
  readonly #free: number[] = [];
  #freeCount = 0;

  /** Stores a value, and returns its number. */
  put(value: V): number {
    const ref = this.#freeCount === 0 ? this.#end++ : (this.#free[--this.#freeCount] as number);
    const index = ref & CHUNK_MASK;
    if (index === 0 && ref === this.#arrays.length << CHUNK_BITS) {
      this.#arrays.push(new Array<V | undefined>(CHUNK_LENGTH));
    }
    (this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[])[index] = value;
    return ref;
  }

  /** The value with this number; `undefined` if there is none. */
  at(ref: number): V | undefined {
    return this.#arrays[ref >> CHUNK_BITS]?.[ref & CHUNK_MASK];
  }

  replace(ref: number, value: V): void {
    (this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[])[ref & CHUNK_MASK] = value;
  }

  /** Removes the value with this number, and returns it. */
  take(ref: number): V | undefined {
    const array = this.#arrays[ref >> CHUNK_BITS] as (V | undefined)[];
    const value = array[ref & CHUNK_MASK];
    array[ref & CHUNK_MASK] = undefined;
    this.#free[this.#freeCount++] = ref;
    return value;
  }
}
