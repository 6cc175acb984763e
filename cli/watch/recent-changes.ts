import type { LedgerEntry, MapChange } from '../../streams/index.js';
import type { MapRow } from './watch-state.js';

/** How long a change stands out, in milliseconds. */
const STANDS_OUT = 2000;

/** What has gone is shown up to this number of mappings. */
const MOST_GONE = 1000;

/** Over which changes are counted, in milliseconds. */
const WINDOW = 5000;

/** The changes of the last seconds. */
export class RecentChanges {
  /** When it came, by the address of the first byte. In the order of the times. */
  readonly #added = new Map<bigint, number>();
  /** In the order of the times. */
  #removed: { readonly row: MapRow; readonly at: number }[] = [];
  #counts: { readonly at: number; count: number }[] = [];

  added({ range: { start } }: MapChange, now: number): void {
    // Deleted first: it becomes the last one.
    this.#added.delete(start);
    this.#added.set(start, now);
    this.#count(now);
  }

  removed({ range, region: name, type, writable }: MapChange, now: number): void {
    this.#added.delete(range.start);
    this.#removed.push({ row: { range, name, type, writable, change: 'removed' }, at: now });
    if (this.#removed.length > 2 * MOST_GONE) {
      this.#removed = this.#removed.slice(-MOST_GONE);
    }
    this.#count(now);
  }

  /** Forgets what does not stand out any more. Returns whether there was something. */
  expire(now: number): boolean {
    let hasExpired = false;
    for (const [start, at] of this.#added) {
      if (now - at < STANDS_OUT) {
        break;
      }
      this.#added.delete(start);
      hasExpired = true;
    }
    const first = this.#removed.findIndex(({ at }) => now - at < STANDS_OUT);
    const expired = this.#removed.splice(0, first === -1 ? this.#removed.length : first);
    return hasExpired || expired.length > 0;
  }

  isNew(start: bigint): boolean {
    return this.#added.has(start);
  }

  /** What is active no more: what has gone a moment ago, and what is stuck at a target. In ascending order. */
  gone(stuck: readonly LedgerEntry[]): readonly MapRow[] {
    const rows = this.#removed.slice(-MOST_GONE).map(({ row }) => row);
    const keys = new Set(rows.map(keyOf));
    for (const { range, region: name, writable } of stuck.slice(0, MOST_GONE)) {
      const row: MapRow = { range, name, type: 'ram', writable, change: 'removed' };
      if (!keys.has(keyOf(row))) {
        keys.add(keyOf(row));
        rows.push(row);
      }
    }
    return rows.sort(
      ({ range: one }, { range: other }) => Number(one.start > other.start) - Number(one.start < other.start),
    );
  }

  /** Mappings that came or went each second. */
  perSecond(now: number): number {
    this.#counts = this.#counts.filter(({ at }) => now - at < WINDOW);
    return this.#counts.reduce((sum, { count }) => sum + count, 0) / (WINDOW / 1000);
  }

  #count(now: number): void {
    const last = this.#counts.at(-1);
    if (last !== undefined && now - last.at < 100) {
      last.count++;
    } else {
      this.#counts.push({ at: now, count: 1 });
    }
  }
}

function keyOf({ range, name }: MapRow): string {
  return `${range.start}-${range.end} ${name}`;
}
