import type { Attachments } from '../attachments/attachments.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { Director } from '../branches/delivery.js';
import type { Difference } from '../view/difference.js';
import { mapInSlices } from '../ranges/slices.js';
import { settled, type Steps } from '../util/coroutine.js';
import type { VaKeeper } from '../host-addresses/va-owner.js';

/** What a command has to do besides telling targets: care for VAs, and for what is stuck. */
export class CommandDirector implements Director {
  readonly #set: ChangeSet;
  readonly #change: Difference;
  readonly #vas: VaKeeper;
  readonly #attachments: Attachments;

  constructor(set: ChangeSet, change: Difference, vas: VaKeeper, attachments: Attachments) {
    this.#set = set;
    this.#change = change;
    this.#vas = vas;
    this.#attachments = attachments;
  }

  unmapped(): Steps<readonly MapChange[]> {
    return settled(this.#change.leaving);
  }

  /** Tries once more what is stuck where a map is to go, then lets the VAs of what is gone go. */
  beforeMaps(): Steps<void> | undefined {
    if (this.#set.maps.length > 0 && this.#attachments.hasStuck) {
      return this.#clearStuck();
    }
    const pending = this.#vas.releaseFiles(this.#change.leaving);
    return pending === undefined ? undefined : settled(pending);
  }

  *#sweepMaps(): Steps<void> {
    yield* settled(this.#vas.sweep(yield* mapInSlices(this.#set.maps, ({ range }) => range)));
  }

  *#clearStuck(): Steps<void> {
    yield* this.#attachments.clearStuck(this.#set.maps, this.#set.generation);
    yield* settled(this.#vas.releaseFiles(this.#change.leaving));
  }

  beforeRestore(): Steps<void> {
    return this.#sweepMaps();
  }
}
