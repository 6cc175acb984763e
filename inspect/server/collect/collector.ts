import { clearInterval, setInterval } from 'node:timers';
import { Subscription, type Observable } from 'rxjs';
import type { Attachment, ChangeSet, RegionManager } from '../../../streams/index.js';
import type { Onlooking } from '../../../streams/internal.js';
import type { ChangesMessage } from '../../wire/messages.js';
import type { SourceStatus } from '../../source-status.js';
import { Model } from '../model/model.js';
import { nameOf } from '../model/target-model.js';
import { wireError, wireStatus } from '../model/wire.js';
import { Following } from './following.js';
import { endGuarded, subscribeGuarded } from './guarded.js';
import type { Journal } from './journal.js';
import type { Keys } from './keys.js';
import type { Log } from './log.js';
import { sweep } from './sweep.js';
import type { Turns } from './turns.js';

/** How often what has changed is sent, in milliseconds. */
const TICK_MS = 100;
/** A sweep that took `t` is not repeated before `10 t`; without a reason not before `100 t`, and a second. */
const REST = 10;
const IDLE_REST = 100;
const IDLE_MS = 1_000;
/** Elements that wait for the next tick: more are sent at once. */
const UNSENT_MAX = 500;

/** What one collector after the other is given. */
export interface CollectorParts {
  readonly manager: RegionManager;
  readonly onlooking: Onlooking;
  readonly status$: Observable<SourceStatus> | undefined;
  readonly keys: Keys;
  readonly log: Log;
  readonly journal: Journal;
  readonly turns: Turns;
}

/** Where what was collected goes. */
export interface Receiver {
  send(message: ChangesMessage): void;
  /** The model is complete for the first time. */
  ready(): void;
}

/**
 * Keeps a model of a manager, as long as a page is open.
 *
 * A few sets between two ticks are seen one by one (`Following`): their mappings go into the model, and each is an entry of the log. When more come,
 * they are not seen. Sweeps, which compare everything with the model, find what has changed by them, and by anything else. A sweep follows
 * each activity of the manager; the longer it takes, the fewer there are.
 */
export class Collector implements Disposable {
  readonly model = new Model();
  readonly #parts: CollectorParts;
  readonly #receiver: Receiver;
  readonly #following: Following;
  readonly #subscriptions = new Subscription();
  readonly #timer: NodeJS.Timeout;
  readonly #ending = new AbortController();
  #sweeping: Promise<void> | undefined = undefined;
  #isReady = false;
  #hasThrown = false;
  /** When the last sweep ended, and what it took. */
  #last = { end: 0, took: 0, commands: -1, isBetween: false };

  constructor(parts: CollectorParts, receiver: Receiver) {
    const { manager, onlooking, journal, status$ } = parts;
    this.#parts = parts;
    this.#receiver = receiver;
    this.#following = new Following(onlooking, {
      set: (set) => {
        this.#see(set);
      },
      outcome: (handle, outcome) => {
        journal.answer(handle, outcome);
      },
    });
    journal.begin(this.#following);
    this.#subscriptions.add(this.#followAttachments(manager));
    if (status$ !== undefined) {
      this.#subscriptions.add(this.#followStatus(status$));
    }
    this.#timer = setInterval(() => {
      this.#tick();
    }, TICK_MS);
    this.#tick();
  }

  /** Whether the model is complete. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get generation(): number {
    return this.#parts.onlooking.generation;
  }

  /** Sends what has changed since the last message. */
  flush(): void {
    if (!this.#isReady || this.#ending.signal.aborted) {
      return;
    }
    const message = this.model.takeUnsent(this.generation, this.#parts.log.takeUnsent());
    if (message !== undefined) {
      this.#receiver.send(message);
    }
  }

  /** Looks at everything once more, and sends what has changed. Then it ends. Never rejects. */
  async finish(): Promise<void> {
    await this.#sweeping;
    await this.#sweep();
    this.#attempt(() => {
      this.flush();
    });
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#ending.abort();
    this.#following.stop();
    endGuarded(this.#subscriptions, (error) => {
      this.#complain(error);
    });
    this.#parts.journal.end();
  }

  #tick(): void {
    this.#attempt(() => {
      this.#following.refill();
      this.#parts.journal.tick();
      this.#updateTargets();
      if (this.#isSweepDue()) {
        void this.#sweep();
      }
    });
    this.#attempt(() => {
      this.flush();
    });
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#complain(error);
    }
  }

  /** Tells of an error that should not be, once. */
  #complain(error: unknown): void {
    if (!this.#hasThrown) {
      this.#hasThrown = true;
      const { message, ...others } = wireError(error);
      this.#parts.journal.note('error', { message: `not everything is shown: ${message}`, ...others });
    }
  }

  #isSweepDue(): boolean {
    if (this.#sweeping !== undefined) {
      return false;
    }
    const { end, took, commands, isBetween } = this.#last;
    const hasReason =
      this.#following.hasMissed ||
      this.#parts.onlooking.commands !== commands ||
      (!isBetween && !this.#parts.onlooking.isBusy) ||
      [...this.model.targets].some((target) => target.hasNews);
    const rest = hasReason ? REST * took : Math.max(IDLE_MS, IDLE_REST * took);
    return performance.now() >= end + rest;
  }

  /** Never rejects. */
  #sweep(): Promise<void> {
    const sweeping = this.#runSweep()
      .catch((error: unknown) => {
        this.#last = { ...this.#last, end: performance.now(), took: IDLE_MS / REST };
        this.#complain(error);
      })
      .finally(() => {
        this.#sweeping = undefined;
      });
    this.#sweeping = sweeping;
    return sweeping;
  }

  async #runSweep(): Promise<void> {
    const { model } = this;
    const { onlooking, journal, keys, turns, log } = this.#parts;
    const keyOf = keys.of.bind(keys);
    const steps = sweep(onlooking, model, keyOf, this.#isReady ? journal.found : undefined);
    let commands: number | undefined;
    let isBetween = true;
    const took = await turns.run({
      signal: this.#ending.signal,
      step: (isBetweenCommands) => {
        if (commands === undefined) {
          commands = onlooking.commands;
          this.#following.start();
        }
        isBetween &&= isBetweenCommands;
        const isDone = steps.next().done === true;
        if (isDone) {
          journal.settle(!this.#following.hasMissed);
          this.#updateTargets();
        }
        return !isDone;
      },
      afterSlice: () => {
        if (model.unsent.size + log.waiting > UNSENT_MAX) {
          this.flush();
        }
      },
    });
    if (took === undefined) {
      return; // Disposed: what it knows is not whole, and nobody asks for it.
    }
    this.#last = { end: performance.now(), took, commands: commands ?? -1, isBetween };
    if (!this.#isReady) {
      this.#isReady = true;
      model.forgetUnsent();
      log.takeUnsent();
      this.#receiver.ready();
    }
  }

  #updateTargets(): void {
    const now = Date.now();
    for (const target of this.model.targets) {
      target.update(now, this.model.active);
    }
  }

  /** A set has taken effect: its mappings go into the model. */
  #see(set: ChangeSet): void {
    const removed = this.#parts.onlooking.removedBy(set);
    if (removed.length === 0 && set.maps.length === 0) {
      return;
    }
    for (const mapping of removed) {
      this.model.removeMapping(mapping);
    }
    for (const mapping of set.maps) {
      this.model.putMapping(mapping);
    }
    this.#parts.journal.applied(set);
  }

  #followStatus(status$: Observable<SourceStatus>): Subscription {
    return subscribeGuarded(
      status$,
      (status) => {
        const wire = wireStatus(status);
        if (wire !== undefined) {
          this.model.setStatus(wire);
        }
      },
      (error) => {
        this.model.setStatus({ phase: 'failed', error: wireError(error) });
      },
    );
  }

  /** Notes targets that come and go. */
  #followAttachments(manager: RegionManager): Subscription {
    let before: readonly Attachment[] | undefined;
    return manager.attachments$.subscribe({
      next: (list) => {
        const known = before ?? list;
        before = list;
        for (const attachment of list) {
          if (!known.includes(attachment)) {
            this.#noteTarget(attachment, 'is being attached');
          }
        }
        for (const attachment of known) {
          if (!list.includes(attachment)) {
            this.#noteTarget(attachment, 'is no longer attached');
          }
        }
        this.#following.followAll();
      },
      error: () => undefined,
    });
  }

  #noteTarget(attachment: Attachment, what: string): void {
    this.#parts.journal.note('info', { message: `target "${nameOf(attachment)}" ${what}` });
  }
}
