/** As many elements as a chunk has after it was divided. It may grow to twice as many. */
const CHUNK = 256;

/**
 * Elements in ascending order of a number, their key. Immutable: `with` gives a new list, which shares with the old one all that did not
 * change. So a page can keep thousands of past lists of 100,000 elements.
 */
export class SortedList<T> {
  static empty<T>(keyOf: (element: T) => number): SortedList<T> {
    return new SortedList(keyOf, []);
  }

  /** The list of elements that are in ascending order already, each of another key. */
  static ofSorted<T>(keyOf: (element: T) => number, elements: readonly T[]): SortedList<T> {
    return new SortedList(keyOf, divided(elements));
  }

  readonly size: number;
  /** Places of arrays that it does not share with the list that it was made from: what it costs to keep both. */
  readonly ownPlaces: number;
  readonly #keyOf: (element: T) => number;
  readonly #chunks: readonly (readonly T[])[];
  /** Position in the list of the first element of each chunk. */
  readonly #offsets: readonly number[];

  private constructor(keyOf: (element: T) => number, chunks: readonly (readonly T[])[], shared?: ReadonlySet<unknown>) {
    this.#keyOf = keyOf;
    this.#chunks = chunks;
    const offsets: number[] = [];
    let size = 0;
    let places = 2 * chunks.length;
    for (const chunk of chunks) {
      offsets.push(size);
      size += chunk.length;
      places += shared?.has(chunk) === true ? 0 : chunk.length;
    }
    this.#offsets = offsets;
    this.size = size;
    this.ownPlaces = places;
  }

  /** The list without the elements of the keys in `gone`, and then with those in `added`, which replace others of the same key. */
  with(added: readonly T[], gone: readonly number[] = []): SortedList<T> {
    const edits = new Map<number, T | undefined>();
    for (const key of gone) {
      edits.set(key, undefined);
    }
    for (const element of added) {
      edits.set(this.#keyOf(element), element);
    }
    if (edits.size === 0) {
      return this;
    }
    const sorted = [...edits].sort(([a], [b]) => a - b);
    const chunks: (readonly T[])[] = [];
    let next = 0;
    for (let index = 0; index < Math.max(1, this.#chunks.length); index++) {
      const following = this.#chunks[index + 1]?.[0];
      const limit = following === undefined ? Infinity : this.#keyOf(following);
      const first = next;
      while (next < sorted.length && (sorted[next]?.[0] ?? 0) < limit) {
        next++;
      }
      const chunk = this.#chunks[index] ?? [];
      pushDivided(chunks, first === next ? chunk : this.#merged(chunk, sorted.slice(first, next)));
    }
    return new SortedList(this.#keyOf, isScattered(chunks) ? divided(chunks.flat()) : chunks, new Set(this.#chunks));
  }

  get(key: number): T | undefined {
    const element = this.at(this.positionOf(key));
    return element !== undefined && this.#keyOf(element) === key ? element : undefined;
  }

  /** The element with the largest key up to `key`. */
  floor(key: number): T | undefined {
    const position = this.positionOf(key);
    const element = this.at(position);
    return element !== undefined && this.#keyOf(element) === key ? element : this.at(position - 1);
  }

  at(position: number): T | undefined {
    const chunk = lastUpTo(this.#offsets, position);
    return this.#chunks[chunk]?.[position - (this.#offsets[chunk] ?? 0)];
  }

  /** The number of elements whose keys are smaller. */
  positionOf(key: number): number {
    const index = this.#chunkOf(key);
    const chunk = this.#chunks[index];
    return chunk === undefined ? 0 : (this.#offsets[index] ?? 0) + firstFrom(chunk, key, this.#keyOf);
  }

  /**
   * Calls `visit` with elements in ascending order, the first one of a key of at least `key`. It returns the key from which to go on, to leave
   * elements out; `Infinity` to stop; anything else for the next element.
   */
  walk(key: number, visit: (element: T) => number | undefined): void {
    let index = this.#chunkOf(key);
    let chunk = this.#chunks[index];
    let position = chunk === undefined ? 0 : firstFrom(chunk, key, this.#keyOf);
    while (chunk !== undefined) {
      const element = chunk[position];
      if (element === undefined) {
        chunk = this.#chunks[++index];
        position = 0;
        continue;
      }
      const from = visit(element);
      if (from === Infinity) {
        return;
      }
      position++;
      const following = chunk[position];
      if (from !== undefined && (following === undefined || this.#keyOf(following) < from)) {
        index = Math.max(index, this.#chunkOf(from));
        const there: readonly T[] | undefined = this.#chunks[index];
        position =
          there === undefined ? 0 : Math.max(there === chunk ? position : 0, firstFrom(there, from, this.#keyOf));
        chunk = there;
      }
    }
  }

  toArray(): readonly T[] {
    return this.#chunks.flat();
  }

  slice(from: number, to: number): readonly T[] {
    const elements: T[] = [];
    for (let position = from; position < Math.min(to, this.size); position++) {
      elements.push(this.at(position) as T);
    }
    return elements;
  }

  /** The last chunk whose first key is at most `key`; the first one if there is none. */
  #chunkOf(key: number): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#keyOf(this.#chunks[middle]?.[0] as T) <= key) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  #merged(chunk: readonly T[], edits: readonly (readonly [key: number, element: T | undefined])[]): readonly T[] {
    const result: T[] = [];
    let position = 0;
    for (const [key, element] of edits) {
      for (; position < chunk.length && this.#keyOf(chunk[position] as T) < key; position++) {
        result.push(chunk[position] as T);
      }
      if (position < chunk.length && this.#keyOf(chunk[position] as T) === key) {
        position++;
      }
      if (element !== undefined) {
        result.push(element);
      }
    }
    return result.concat(chunk.slice(position));
  }
}

function pushDivided<T>(chunks: (readonly T[])[], chunk: readonly T[]): void {
  if (chunk.length > 2 * CHUNK) {
    chunks.push(...divided(chunk));
  } else if (chunk.length > 0) {
    chunks.push(chunk);
  }
}

function divided<T>(elements: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(elements.length / CHUNK) }, (_, index) =>
    elements.slice(index * CHUNK, (index + 1) * CHUNK),
  );
}

/** Whether so much was taken away that chunks are small, and their list long. */
function isScattered(chunks: readonly (readonly unknown[])[]): boolean {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return chunks.length > 8 + (4 * size) / CHUNK;
}

function lastUpTo(ascending: readonly number[], limit: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((ascending[middle] ?? 0) <= limit) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

function firstFrom<T>(elements: readonly T[], key: number, keyOf: (element: T) => number): number {
  let low = 0;
  let high = elements.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(elements[middle] as T) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
