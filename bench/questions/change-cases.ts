/** The places of the changes. */
export const ORDERS = ['random', 'sequential'] as const;
export type Order = (typeof ORDERS)[number];

/** Sequential places are measured at one target only. */
export function ordersOf(targets: number): readonly Order[] {
  return targets === 1 ? ORDERS : ['random'];
}

export function idOf(count: number, targets: number, set: number, order: Order, batch = false): string {
  return `change/${count}/${targets}${batch ? '/batch' : ''}/${set}/${order}`;
}
