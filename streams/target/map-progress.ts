import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { Following } from './derived-account.js';
import type { Ledger } from './ledger.js';
import { joinInSlices } from '../ranges/slices.js';
import type { Steps } from '../util/coroutine.js';

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
    if (this.#following !== undefined && this.#ledger.isFollowed) {
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
    if (this.#ledger.isFollowed) {
      this.#following?.skip(change);
    }
  }

  /** Ends it in the middle of the set, which is no longer followed. Returns what has been mapped, in order. */
  *stop(): Steps<readonly MapChange[]> {
    yield* this.#ledger.settle();
    // What came after the list was made, if it was made in the middle of the set.
    return this.#following === undefined
      ? this.#mapped
      : yield* joinInSlices([yield* this.#following.made(), this.#mapped]);
  }
}
