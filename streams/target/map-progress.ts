import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { DerivedAccount } from './derived-account.js';
import type { Ledger } from './ledger.js';
import { joinInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';

/** The progress of the maps of one set, and its record in the ledger. */
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

  /** A map was made. */
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

  /** A map of device memory failed, and was skipped. */
  skip(change: MapChange): void {
    if (this.#ledger.isDerived) {
      this.#derived?.skip(change);
    }
  }

  /**
   * Ends a derived account in the middle of the set: from now on the ledger lists what is held. Returns what the set
   * has mapped, in order.
   */
  *materialize(): Coroutine<readonly MapChange[]> {
    yield* this.#ledger.materialize();
    // `#mapped` has what was mapped after the ledger had begun to list in the middle of the set.
    return this.#derived === undefined
      ? this.#mapped
      : yield* joinInSlices([yield* this.#derived.made(), this.#mapped]);
  }
}
