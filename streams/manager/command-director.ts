import type { Attachments } from '../attachments/attachments.js';
import type { ChangeSet, MapChange } from '../contracts/change-set.js';
import type { DeliveryHooks } from '../branches/receiver.js';
import type { Difference } from '../view/difference.js';
import { mapInSlices } from '../ranges/slices.js';
import { waitFor, type Coroutine } from '../util/coroutine.js';
import type { VaOwner } from '../host-addresses/va-owner.js';

/** What a command has to do besides telling targets: care for VAs, and for what is stuck. */
export class CommandDirector implements DeliveryHooks {
  readonly #set: ChangeSet;
  readonly #change: Difference;
  readonly #vas: VaOwner;
  readonly #attachments: Attachments;

  constructor(set: ChangeSet, change: Difference, vas: VaOwner, attachments: Attachments) {
    this.#set = set;
    this.#change = change;
    this.#vas = vas;
    this.#attachments = attachments;
  }

  unmapped(): Coroutine<readonly MapChange[]> {
    return waitFor(this.#change.removed);
  }

  /** Tries once more what is stuck where a map is to go, then lets the VAs of what is gone go. */
  beforeMaps(): Coroutine<void> | undefined {
    if (this.#set.maps.length > 0 && this.#attachments.hasStuck) {
      return this.#clearStuck();
    }
    const pending = this.#vas.releaseFiles(this.#change.removed);
    return pending === undefined ? undefined : waitFor(pending);
  }

  *#sweepMaps(): Coroutine<void> {
    yield* waitFor(this.#vas.releaseUnused(yield* mapInSlices(this.#set.maps, ({ range }) => range)));
  }

  *#clearStuck(): Coroutine<void> {
    yield* this.#attachments.clearStuck(this.#set.maps, this.#set.generation);
    yield* waitFor(this.#vas.releaseFiles(this.#change.removed));
  }

  beforeRestore(): Coroutine<void> {
    return this.#sweepMaps();
  }
}
