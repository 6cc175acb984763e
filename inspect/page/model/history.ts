import type { Pages } from '../../wire/messages.js';
import type { State } from './state.js';

/** A state that was, and what the message that led to it changed. */
export interface Moment {
  readonly state: State;
  /** Ranges that were mapped, unmapped, or that a target holds otherwise than before. */
  readonly mapped: readonly Pages[];
  readonly unmapped: readonly Pages[];
  readonly targets: readonly TouchedRange[];
  /** Change sets in the message. */
  readonly sets: number;
  /** Whether a change set or the source failed. */
  readonly failed: boolean;
  /** The number of entries of the log up to then, also those that were dropped. */
  readonly logged: number;
}

export interface TouchedRange {
  /** Key of the target. */
  readonly target: number;
  readonly pages: Pages;
}

/** The limits of what is kept: moments, and about how many bytes are in them. */
export const HISTORY_LIMITS = { moments: 4000, bytes: 64 * 1024 * 1024 };

/** About how many bytes there are in a moment without changes, in each range that changed, and in each place of an array. */
const BYTES = { moment: 400, change: 200, place: 4 };

/** The latest states, in order. When there are too many, the oldest ones are dropped. */
export class History {
  /** Of all, also those that were dropped. A moment keeps its number. */
  #count = 0;
  #bytes = 0;
  #moments: Moment[] = [];
  /** Of each moment. */
  #sizes: number[] = [];
  readonly #limits: { readonly moments: number; readonly bytes: number };

  constructor(limits = HISTORY_LIMITS) {
    this.#limits = limits;
  }

  /** The numbers of the moments that are kept are those from `first` up to `last`; -1 if there are none. */
  get first(): number {
    return this.#moments.length === 0 ? -1 : this.#count - this.#moments.length;
  }

  get last(): number {
    return this.#count - 1;
  }

  /** Moments that were dropped. */
  get dropped(): number {
    return this.#count - this.#moments.length;
  }

  /** About how many bytes are in what is kept, the lists of the first state aside. */
  get bytes(): number {
    return this.#bytes;
  }

  add(moment: Moment): void {
    const bytes = bytesOf(moment, this.#moments.at(-1));
    this.#moments.push(moment);
    this.#sizes.push(bytes);
    this.#count++;
    this.#bytes += bytes;
    let excess = 0;
    while (
      this.#moments.length - excess > 1 &&
      (this.#moments.length - excess > this.#limits.moments || this.#bytes > this.#limits.bytes)
    ) {
      this.#bytes -= this.#sizes[excess++] ?? 0;
    }
    if (excess > 0) {
      this.#moments = this.#moments.slice(excess);
      this.#sizes = this.#sizes.slice(excess);
    }
  }

  /** The moment of that number, or the nearest one that is kept. */
  at(number: number): Moment | undefined {
    const index = Math.min(Math.max(number - this.dropped, 0), this.#moments.length - 1);
    return this.#moments[index];
  }

  /** The number of the first moment whose log has an entry: the state after it. */
  numberOfEntry(sequence: number): number {
    let low = 0;
    let high = this.#moments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#moments[middle] as Moment).logged <= sequence) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low + this.dropped;
  }

  /** Change sets in the moments after that number. */
  setsAfter(number: number): number {
    return this.#moments.slice(Math.max(0, number + 1 - this.dropped)).reduce((sum, { sets }) => sum + sets, 0);
  }
}

/** What a moment takes beyond the one before it, with which it shares what did not change. */
function bytesOf({ state, mapped, unmapped, targets }: Moment, before: Moment | undefined): number {
  const changes = mapped.length + unmapped.length + targets.length;
  const known = before === undefined ? undefined : new Set(listsOf(before.state));
  const own = listsOf(state).filter((list) => known?.has(list) === false);
  const places = own.reduce((sum, { ownPlaces }) => sum + ownPlaces, 0);
  return BYTES.moment + BYTES.change * changes + BYTES.place * places;
}

function listsOf({ regions, mappings, exceptions }: State): readonly { readonly ownPlaces: number }[] {
  const ofTargets = [...exceptions.values()].flatMap((kinds) => Object.values(kinds));
  return [regions, mappings, ...ofTargets];
}
