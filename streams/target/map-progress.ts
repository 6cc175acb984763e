import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { DerivedAccount } from './derived-account.js';
import type { Ledger } from './ledger.js';
import { joinInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/** How far the maps of one set have come, and their place in the ledger. */
export class MapProgress {
  readonly #ledger: Ledger;
  readonly #derived: DerivedAccount | undefined;
  readonly #undo: boolean;
  readonly #mapped: MapChange[] = [];

  constructor(ledger: Ledger, derived: DerivedAccount | undefined, set: ChangeSet) {
    this.#ledger = ledger;
    this.#derived = derived;
    this.#undo = set.undo === true;
  }

  /** This map was made. */
  add(change: MapChange): void {
    if (this.#derived !== undefined && this.#ledger.isDerived) {
      this.#derived.mapped += 1;
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
    if (this.#ledger.isDerived) {
      this.#derived?.skip(change);
    }
  }

  /** Ends the account in the middle of the set; from here on the ledger lists what is held. Returns what has been mapped, in order. */
  *stop(): Coroutine<readonly MapChange[]> {
    yield* this.#ledger.materialize();
    // What came after the list was made, if it was made in the middle of the set.
    return this.#derived === undefined
      ? this.#mapped
      : yield* joinInSlices([yield* this.#derived.made(), this.#mapped]);
  }
}
