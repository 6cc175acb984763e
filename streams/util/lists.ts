/** An empty list that several owners can share: it cannot be changed. */
export const EMPTY_LIST: readonly never[] = Object.freeze([]);

/** Appends all items. Unlike `list.push(...items)` it does not put every item on the stack. */
export function append<T>(list: T[], items: readonly T[] | undefined): void {
  if (items !== undefined) {
    for (const item of items) {
      list.push(item);
    }
  }
}
