/** Elements that are looked at in one step, between which commands may run. */
export const STEP_LENGTH = 100;

/** Elements of one message at most: their texts are cut, so that it has some hundred kilobytes at most. */
export const PART_LENGTH = 200;

/** Lists of the next elements of a `Map` or a list. They may come and go meanwhile. */
export function* inParts<T>(elements: Iterable<T>): Generator<readonly T[]> {
  let part: T[] = [];
  for (const element of elements) {
    part.push(element);
    if (part.length === PART_LENGTH) {
      yield part;
      part = [];
    }
  }
  if (part.length > 0) {
    yield part;
  }
}
