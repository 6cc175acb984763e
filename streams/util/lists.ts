/** `push(...items)` would put every item on the stack. */
export function append<T>(list: T[], items: readonly T[] | undefined): void {
  if (items !== undefined) {
    for (const item of items) {
      list.push(item);
    }
  }
}
