import { counted } from '../support/format.js';

export const COUNTS = [100, 10_000, 100_000, 1_000_000];
export const QUICK_COUNTS = [100, 10_000];
/** The numbers of targets. */
export const TARGETS = [1, 4];
/** The numbers of mappings in a set. 1: each mapping is a command, without a transaction. */
export const SETS = [1, 64, 4096];

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

export function nameOf(set: number, targets: number, batch: boolean, order: Order): string {
  const takes = batch ? ' that takes sets' : '';
  return `${nameOfSet(set)}, ${counted(targets, 'target')}${takes}, ${order}`;
}

/** Two ways to attach a target: as it is, or through a function that makes a branch of it. */
export const ATTACHED = ['target', 'branch'] as const;
export type Attached = (typeof ATTACHED)[number];
/** Both ways are measured at this number of mappings. */
export const BRANCH_COUNT = 100_000;
export const QUICK_BRANCH_COUNT = 10_000;
export const BRANCH_SETS = [1, 64];

export function branchIdOf(count: number, set: number, attached: Attached): string {
  return `change/branch/${count}/${set}/${attached}`;
}

export function branchNameOf(count: number, set: number): string {
  return `${nameOfSet(set)}, a branch by hand, random, ${counted(count, 'mapping')}`;
}

function nameOfSet(set: number): string {
  return set === 1 ? 'single' : `set of ${set.toLocaleString('en')}`;
}
