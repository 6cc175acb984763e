import { clearInterval, setInterval } from 'node:timers';
import { Subscription } from 'rxjs';
import type { Attachment, ChangeSet, Outcome, RegionManager } from '../../../streams/index.js';
import { onlookingOf, type AttachmentHandle, type Failure, type Onlooking } from '../../../streams/internal.js';
import type { ChangesMessage } from '../../wire/messages.js';
import type { CheckedOptions } from '../inspector-options.js';
import { Model } from '../model/model.js';
import { wireError, wireProblem, wireStatus } from '../model/wire.js';
import { Following } from './following.js';
import { Journal } from './journal.js';
import type { Keys } from './keys.js';
import { sweep } from './sweep.js';
import { Turns } from './turns.js';

/** How often what has changed is sent, in milliseconds. */
const TICK_MS = 100;
/** A sweep that took `t` is not repeated before `10 t`; without a reason not before `100 t`, and a second. */
const REST = 10;
const IDLE_REST = 100;
const IDLE_MS = 1_000;
/** Elements that wait for the next tick: more are sent at once. */
const UNSENT_MAX = 500;

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
  readonly #onlooking: Onlooking;
  readonly #keys: Keys;
  readonly #receiver: Receiver;
  readonly #turns: Turns;
  readonly #journal: Journal;
  readonly #following: Following;
  readonly #subscriptions = new Subscription();
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined = undefined;
  #isReady = false;
  /** When the last sweep ended, and what it took. */
  #last = { end: 0, took: 0, commands: -1, isBetween: false };

  constructor(manager: RegionManager, { status$, problems$ }: CheckedOptions, keys: Keys, receiver: Receiver) {
    const onlooking = onlookingOf(manager);
    this.#onlooking = onlooking;
    this.#keys = keys;
    this.#receiver = receiver;
    this.#turns = new Turns(onlooking);
    this.#journal = new Journal(
      onlooking,
      () => keys.next(),
      (entry) => {
        this.model.unsent.log(entry);
      },
    );
    this.#following = new Following(onlooking, {
      set: (set) => {
        this.#see(set);
      },
      outcome: (handle, outcome) => {
        this.#answer(handle, outcome);
      },
    });
    const fail = (what: string) => (error: unknown) => {
      this.#journal.note('error', {
        ...wireError(error),
        hint: `${what} has ended with this error: nothing more of it is shown`,
      });
    };
    this.#subscriptions.add(
      onlooking.failures$.subscribe({
        next: (failure) => {
          this.#fail(failure);
        },
        error: fail('failures'),
      }),
    );
    this.#subscriptions.add(
      manager.warnings$.subscribe({
        next: (warning) => {
          this.#journal.note('warning', wireError(warning));
        },
        error: fail('warnings$'),
      }),
    );
    this.#subscriptions.add(this.#followAttachments(manager));
    this.#subscriptions.add(
      problems$?.subscribe({
        next: (problem) => {
          const { severity, error } = wireProblem(problem);
          this.#journal.note(severity, error);
        },
        error: fail('problems$'),
      }),
    );
    this.#subscriptions.add(
      status$?.subscribe({
        next: (status) => {
          const wire = wireStatus(status);
          if (wire !== undefined) {
            this.model.setStatus(wire);
          }
        },
        error: (error: unknown) => {
          this.model.setStatus({ phase: 'failed', error: wireError(error) });
        },
      }),
    );
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
    return this.#onlooking.generation;
  }

  /** Looks at everything once more, and sends what has changed. Then it ends. */
  async finish(): Promise<void> {
    await this.#sweeping;
    await this.#sweep();
    this.#flush();
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#turns.stop();
    this.#following.stop();
    this.#subscriptions.unsubscribe();
  }

  #tick(): void {
    this.#following.refill();
    this.#journal.tick();
    this.#updateTargets();
    if (this.#isSweepDue()) {
      void this.#sweep();
    }
    this.#flush();
  }

  #isSweepDue(): boolean {
    if (this.#sweeping !== undefined) {
      return false;
    }
    const { end, took, commands, isBetween } = this.#last;
    const hasReason =
      this.#following.hasMissed ||
      this.#onlooking.commands !== commands ||
      (!isBetween && !this.#onlooking.isBusy) ||
      [...this.model.targets].some((target) => target.hasNews);
    const rest = hasReason ? REST * took : Math.max(IDLE_MS, IDLE_REST * took);
    return performance.now() >= end + rest;
  }

  async #sweep(): Promise<void> {
    this.#sweeping = this.#runSweep();
    try {
      await this.#sweeping;
    } catch (error) {
      this.#journal.note('error', wireError(error));
    } finally {
      this.#sweeping = undefined;
    }
  }

  async #runSweep(): Promise<void> {
    const { model } = this;
    const steps = sweep(
      this.#onlooking,
      model,
      (handle) => this.#keys.of(handle),
      this.#isReady ? this.#journal.found : undefined,
    );
    let commands: number | undefined;
    let isBetween = true;
    const took = await this.#turns.run(
      (isBetweenCommands) => {
        if (commands === undefined) {
          commands = this.#onlooking.commands;
          this.#following.start();
        }
        isBetween &&= isBetweenCommands;
        const isDone = steps.next().done === true;
        if (isDone) {
          this.#journal.settle(!this.#following.hasMissed);
          this.#updateTargets();
        }
        return !isDone;
      },
      () => {
        if (model.unsent.size > UNSENT_MAX) {
          this.#flush();
        }
      },
    );
    this.#last = { end: performance.now(), took, commands: commands ?? -1, isBetween };
    if (!this.#isReady) {
      this.#isReady = true;
      model.forgetUnsent();
      this.#receiver.ready();
    }
  }

  #updateTargets(): void {
    const now = Date.now();
    for (const target of this.model.targets) {
      target.update(now, this.model.active);
    }
  }

  #flush(): void {
    const message = this.#isReady ? this.model.takeUnsent(this.#onlooking.generation) : undefined;
    if (message !== undefined) {
      this.#receiver.send(message);
    }
  }

  /** A set has taken effect: its mappings go into the model. */
  #see(set: ChangeSet): void {
    const removed = this.#onlooking.removedBy(set);
    if (removed.length === 0 && set.maps.length === 0) {
      return;
    }
    for (const mapping of removed) {
      this.model.removeMapping(mapping);
    }
    for (const mapping of set.maps) {
      this.model.putMapping(mapping);
    }
    this.#journal.applied(set);
  }

  #answer(handle: AttachmentHandle, outcome: Outcome): void {
    if (outcome.generation > this.#onlooking.generation) {
      this.#journal.answers.add(handle, outcome);
    } else if (outcome.status === 'failed') {
      // An attach or a detach.
      this.#journal.note('error', wireError(outcome.error));
    }
  }

  #fail(failure: Failure): void {
    if (failure.kind === 'set') {
      this.#journal.failed(failure.set, failure.error, this.#following.isOn);
    } else if (!this.#following.sees(failure.handle)) {
      this.#answer(failure.handle, failure.outcome);
    }
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

  #noteTarget({ target }: Attachment, what: string): void {
    this.#journal.note('info', { message: `target "${target}" ${what}` });
  }
}
