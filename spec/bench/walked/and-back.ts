/** Before the others in the alphabet, entered after them. */
export function* continued(): Generator<number, void> {
  yield 1;
  yield 2;
}

export function empty(): void {
  // Has no statement.
}
