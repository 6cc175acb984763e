/** An empty list that several owners can share: it cannot be changed. */
export const EMPTY_LIST: readonly never[] = Object.freeze([]);

/** The one empty list: no list is allocated where there is nothing to report. */
export const EMPTY: readonly never[] = Object.freeze([]);

/** Appends `items` to `list`. `list.push(...items)` would put every item on the stack. */
export function append<T>(list: T[], items: readonly T[] | undefined): void {
  if (items !== undefined) {
    for (const item of items) {
      list.push(item);
    }
  }
}
