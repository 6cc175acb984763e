import { Subscription } from 'rxjs';
import type { ChangeSet, Outcome } from '../../../streams/index.js';
import type { AttachmentHandle, Onlooking } from '../../../streams/internal.js';

/** Most sets, and most changes in them, that are seen between two ticks: they cost as much as a few more targets would. */
const SETS_MAX = 32;
const CHANGES_MAX = 2048;

const NEVER_ERRORS = (): void => undefined;

/** Is told of what is seen. */
export interface Follower {
  set(set: ChangeSet): void;
  outcome(handle: AttachmentHandle, outcome: Outcome): void;
}

/**
 * Sees each set that takes effect, and each outcome, up to a limit between two ticks. Then it is subscribed to nothing, and commands cost what
 * they cost without it, until it is started again.
 */
export class Following {
  readonly #onlooking: Onlooking;
  readonly #follower: Follower;
  #subscriptions: Subscription | undefined = undefined;
  #outcomes = new Map<AttachmentHandle, Subscription>();
  #sets = 0;
  #changes = 0;
  /** Whether sets may have been missed since it was started the last time. */
  hasMissed = true;

  constructor(onlooking: Onlooking, follower: Follower) {
    this.#onlooking = onlooking;
    this.#follower = follower;
  }

  get isOn(): boolean {
    return this.#subscriptions !== undefined;
  }

  /** Whether the outcomes of this attachment are seen. */
  sees(handle: AttachmentHandle): boolean {
    return this.#outcomes.has(handle);
  }

  /** A tick: what has been seen so far no longer counts. */
  refill(): void {
    this.#sets = 0;
    this.#changes = 0;
  }

  start(): void {
    this.hasMissed = false;
    if (this.#subscriptions !== undefined) {
      return;
    }
    this.#subscriptions = this.#onlooking.sets$.subscribe({
      next: (set) => {
        this.#see(set);
      },
      error: NEVER_ERRORS,
    });
    this.followAll();
  }

  stop(): void {
    this.hasMissed = true;
    this.#subscriptions?.unsubscribe();
    this.#subscriptions = undefined;
    for (const subscription of this.#outcomes.values()) {
      subscription.unsubscribe();
    }
    this.#outcomes.clear();
  }

  /** Follows the attachments that are there now, if it is started. */
  followAll(): void {
    if (!this.isOn) {
      return;
    }
    const { attachments } = this.#onlooking;
    for (const handle of attachments) {
      if (!this.#outcomes.has(handle)) {
        const next = (outcome: Outcome): void => {
          this.#follower.outcome(handle, outcome);
        };
        this.#outcomes.set(handle, handle.outcomes$.subscribe({ next, error: NEVER_ERRORS }));
      }
    }
    for (const [handle, subscription] of this.#outcomes) {
      if (!attachments.includes(handle)) {
        subscription.unsubscribe();
        this.#outcomes.delete(handle);
      }
    }
  }

  #see(set: ChangeSet): void {
    this.#sets += 1;
    this.#changes += set.maps.length + this.#onlooking.removedBy(set).length;
    if (this.#sets > SETS_MAX || this.#changes > CHANGES_MAX) {
      this.stop();
      return;
    }
    this.#follower.set(set);
  }
}
