import { filter, map, Observable, Subject, type Subscriber, type TeardownLogic } from 'rxjs';
import { lazyCopyOf } from '../changes/copies.js';
import { ManagedSet } from '../changes/managed-set.js';
import type { AttachmentHandle } from '../attachments/attachment-handle.js';
import type { ChangeSet, Outcome, ShareableRegion } from '../contracts/change-set.js';
import type { DmaError } from '../contracts/errors.js';
import type { RegionEvent } from '../contracts/region.js';
import type { Draft } from '../regions/draft.js';
import type { Coroutine } from '../util/coroutine.js';
import type { SerialQueue } from '../util/serial-queue.js';
import { pauseIfOver } from '../util/time-slice.js';
import { ShareableList } from '../view/shareable.js';
import type { View } from '../view/view.js';

/** Something that failed: a set as a whole, or its answer by one attachment. */
export type Failure =
  | { readonly kind: 'set'; readonly set: ChangeSet; readonly error: DmaError }
  | { readonly kind: 'outcome'; readonly handle: AttachmentHandle; readonly outcome: Outcome };

/** The observables of a manager, as `RegionManager` documents them. */
export class ManagerStreams {
  readonly #queue: SerialQueue;
  readonly #view: View;
  readonly #events = new Subject<RegionEvent>();
  readonly #changes = new Subject<ChangeSet>();
  readonly #warnings = new Subject<DmaError>();
  readonly #shareable: ShareableList;
  /** Each set that took effect, as it is, also an empty one. */
  readonly #sets = new Subject<ChangeSet>();
  readonly #failures = new Subject<Failure>();
  /** Number of subscribers of those that commands publish: all except `warnings$`. */
  observerCount = 0;

  constructor(queue: SerialQueue, view: View) {
    this.#queue = queue;
    this.#view = view;
    this.#shareable = new ShareableList(view);
  }

  get events$(): Observable<RegionEvent> {
    return this.#counted((subscriber) => this.#events.subscribe(subscriber));
  }

  /** Not for users: see `Onlooking`. */
  get sets$(): Observable<ChangeSet> {
    return this.#counted((subscriber) => this.#sets.subscribe(subscriber));
  }

  get warnings$(): Observable<DmaError> {
    return this.#warnings.asObservable();
  }

  warn(warning: DmaError): void {
    this.#warnings.next(warning);
  }

  /** What fails. Not for users: see `Onlooking`. */
  get failures$(): Observable<Failure> {
    return this.#failures.asObservable();
  }

  /** A set has failed: passes its error on. */
  failed(set: ChangeSet, error: DmaError): DmaError {
    this.#failures.next({ kind: 'set', set, error });
    return error;
  }

  /** A set has failed at an attachment. */
  failedAt(handle: AttachmentHandle, outcome: Outcome): void {
    this.#failures.next({ kind: 'outcome', handle, outcome });
  }

  changes(): Observable<ChangeSet> {
    return this.#counted((subscriber) => {
      // A command that the subscriber gives while it handles the snapshot is queued until it is subscribed to later sets.
      this.#queue.hold(() => {
        const { generation } = this.#view;
        subscriber.next(snapshotOf(this.#view));
        subscriber.add(
          this.#changes
            .pipe(
              filter((set) => set.generation > generation),
              map(lazyCopyOf),
            )
            .subscribe(subscriber),
        );
      });
    });
  }

  shareable(): Observable<readonly ShareableRegion[]> {
    return this.#counted((subscriber) => {
      this.#queue.hold(() => {
        this.#shareable.subscribe(subscriber);
      });
    });
  }

  /** Emits the events and the change set of a command. Not to be called when there are no subscribers. */
  *publish(draft: Draft, set: ManagedSet): Coroutine<void> {
    if (this.#events.observed) {
      for (const event of draft.events()) {
        this.#events.next(event);
        const pause = pauseIfOver();
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
    this.#sets.next(set);
    if (set.unmaps.length > 0 || set.maps.length > 0) {
      this.#changes.next(set);
      if (this.#shareable.observed) {
        yield* this.#shareable.update(set.generation, ManagedSet.detailsOf(set)?.removed ?? [], set.maps);
      }
    }
  }

  /** Completes all of them. */
  end(): void {
    this.#events.complete();
    this.#changes.complete();
    this.#sets.complete();
    this.#failures.complete();
    this.#warnings.complete();
    this.#shareable.end();
  }

  /** An observable whose subscribers are counted. */
  #counted<T>(subscribe: (subscriber: Subscriber<T>) => TeardownLogic): Observable<T> {
    return new Observable((subscriber) => {
      this.observerCount += 1;
      subscriber.add(() => {
        this.observerCount -= 1;
      });
      return subscribe(subscriber);
    });
  }
}

/** All active mappings as a change set. The list is made when it is read. */
function snapshotOf(view: View): ChangeSet {
  const snapshot = view.snapshot();
  return {
    generation: snapshot.generation,
    snapshot: true,
    unmaps: [],
    get maps() {
      return snapshot.mappings;
    },
  };
}
