import type { MapChange } from '../contracts/change-set.js';
import { sortByAddress } from '../ranges/sort-by-address.js';
import type { Difference } from './removals.js';

/** A version of the view, and the change that led to the next version. Both are `undefined` in the latest version. */
export interface Version {
  change: Difference | undefined;
  next: Version | undefined;
}

/**
 * A linked list of the versions of the view, from the oldest one that a snapshot refers to up to the latest.
 *
 * The latest version is referenced weakly. Without snapshots nothing is kept: a strong reference would keep a growing list of changes
 * alive, which the garbage collector would have to traverse again and again.
 */
export class Versions {
  #latest: WeakRef<Version> | undefined = undefined;

  /** Whether a snapshot of the latest version exists. */
  get isObserved(): boolean {
    return this.#latest?.deref() !== undefined;
  }

  /** The latest version, for a snapshot. The list is kept as long as the caller references it. */
  latest(): Version {
    const version = this.#latest?.deref() ?? { change: undefined, next: undefined };
    this.#latest = new WeakRef(version);
    return version;
  }

  /** Adds a version, if a snapshot needs it. */
  append(change: Difference): void {
    const latest = this.#latest?.deref();
    if (latest === undefined) {
      this.#latest = undefined;
      return;
    }
    const next: Version = { change: undefined, next: undefined };
    latest.change = change;
    latest.next = next;
    this.#latest = new WeakRef(next);
  }
}

/** Computes the mappings of a version from those of the latest version. Both lists are in ascending order. */
export function rewind(mappings: readonly MapChange[], version: Version | undefined): readonly MapChange[] {
  const since: Difference[] = [];
  for (let older = version; older?.change !== undefined; older = older.next) {
    since.push(older.change);
  }
  if (since.length === 0) {
    return mappings;
  }
  const byStart = new Map(mappings.map((mapping) => [mapping.range.startPage, mapping]));
  for (const { maps, removed } of since.toReversed()) {
    for (const mapping of maps) {
      byStart.delete(mapping.range.startPage);
    }
    for (const mapping of removed) {
      byStart.set(mapping.range.startPage, mapping);
    }
  }
  return sortByAddress([...byStart.values()]);
}
