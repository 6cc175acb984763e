import type { ChangeSet, MapChange } from './change-set.js';
import type { Following } from './following.js';
import type { Ledger } from './ledger.js';

/** How far the maps of one set have come, and their place in the ledger. */
export class MapProgress {
  readonly #ledger: Ledger;
  readonly #following: Following | undefined;
  readonly #undo: boolean;
  readonly #mapped: MapChange[] = [];

  constructor(ledger: Ledger, following: Following | undefined, set: ChangeSet) {
    this.#ledger = ledger;
    this.#following = following;
    this.#undo = set.undo === true;
  }

  /** This map was made. */
  add(change: MapChange): void {
    if (this.#following !== undefined) {
      this.#following.mapped += 1;
      return;
    }
    if (this.#undo) {
      this.#ledger.restore(change);
    } else {
      this.#ledger.hold(change);
    }
    this.#mapped.push(change);
  }

  /** This one failed softly. */
  skip(change: MapChange): void {
    this.#following?.skip(change);
  }

  /** Ends it in the middle of the set, which is no longer followed. Returns what has been mapped, in order. */
  stop(): readonly MapChange[] {
    const made = this.#following?.made() ?? this.#mapped;
    this.#ledger.settle();
    return made;
  }
}
