import { filter, map, Observable, Subject } from 'rxjs';
import type { Attachment, AttachOptions } from '../attachments/attachment.js';
import type { AttachmentHandle } from '../attachments/attachment-handle.js';
import { Attachments } from '../attachments/attachments.js';
import type { ChangeSet, MemoryMapSnapshot, ShareableRegion } from '../contracts/change-set.js';
import type { ManagedSet } from '../changes/managed-set.js';
import { lazyCopyOf } from '../changes/copies.js';
import { checkVaMapper } from '../contracts/contract-checks.js';
import { SerialQueue } from '../util/serial-queue.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import type { Draft, RegionContext } from '../regions/draft.js';
import { DmaError } from '../contracts/errors.js';
import { pauseIfOver } from '../util/time-slice.js';
import { copyOf } from '../regions/region-handle.js';
import { RegionTable } from '../regions/region-table.js';
import type { Region, RegionEdit, RegionEvent, RegionParams } from '../contracts/region.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { ShareableList } from '../view/shareable.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import { Transactions } from './transactions.js';
import { callUser } from '../util/user-callback.js';
import { VaOwner } from '../host-addresses/va-owner.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { checkCallback, checkObject } from '../util/checks.js';
import { View } from '../view/view.js';

export interface RegionManagerOptions {
  /**
   * Needed once a target that `needsVa` is attached, or a private mapping is added. The manager releases what it makes. A mapper belongs to
   * one manager at a time: until `close()` has resolved; where that rejects, until `retryStuck()` of the attachments has cleared what is
   * stuck, because its addresses may be in use. Default: none.
   */
  readonly vaMapper?: VaMapper;
  /** Told of what fails without failing a command: a device mapping that a target cannot have, a VA that cannot be released. */
  readonly onWarning?: (warning: DmaError) => void;
}

/**
 * The guest's physical address space: regions come and go, and targets follow.
 *
 * Order: commands take effect one at a time, in call order. A command that comes while another is under way, from inside a
 * subscriber for instance, waits for its turn. Within a command every unmap, at every target in reverse attach order, comes before
 * every map, at every target in attach order. The promises of commands settle in the same order, also those that reject: a callback given to
 * `then` right after a call runs before those of all later commands.
 *
 * On failure: a command whose map fails rejects with a `DmaMapError` and has changed nothing, anywhere. One whose unmap fails takes
 * effect, and rejects with a `DmaUnmapError` that names what stays mapped where. What is refused before any target is asked rejects
 * with a `DmaError`, `RegionOverlapError`, `TypeError` or `RangeError` and has changed nothing.
 *
 * A target whose promise never settles holds up all commands: `attachments` shows it as pending.
 */
export class RegionManager implements AsyncDisposable {
  readonly #queue = new SerialQueue();
  readonly #table = new RegionTable();
  readonly #view = new View(this.#table);
  readonly #events = new Subject<RegionEvent>();
  readonly #changes = new Subject<ChangeSet>();
  readonly #shareable = new ShareableList(this.#view);
  readonly #attachments: Attachments;
  readonly #vas: VaOwner;
  readonly #transactions: Transactions;
  #closing: Promise<void> | undefined = undefined;

  /** @throws DmaError `ERR_VA_MAPPER_IN_USE` when the VA mapper belongs to another manager; TypeError when an option is none */
  constructor(options: RegionManagerOptions = {}) {
    checkObject(options, 'the options of a RegionManager');
    const { vaMapper, onWarning } = options;
    checkCallback(onWarning, 'onWarning');
    if (vaMapper !== undefined) {
      checkVaMapper(vaMapper);
    }
    const warn = (warning: DmaError): void => {
      callUser(() => onWarning?.(warning));
    };
    this.#attachments = new Attachments({ queue: this.#queue, view: this.#view, vaMapper, warn }, () => this.#vas);
    this.#vas = new VaOwner({
      mapper: vaMapper,
      view: this.#view,
      users: this.#attachments,
      warn,
    });
    let sequence = 0;
    const ground: RegionContext = {
      table: this.#table,
      privates: this.#vas.privates,
      transact: (work) => this.#command(() => this.#transactions.runEdit(work)),
      checkPrivate: (region, range) => {
        this.#vas.checkMapper(region, range);
        this.#attachments.checkPrivate(region, range);
      },
      nextSequence: () => sequence++,
    };
    this.#transactions = new Transactions({
      ground,
      view: this.#view,
      vas: this.#vas,
      attachments: this.#attachments,
      warn,
      publish: (draft, set) => this.#publish(draft, set),
    });
  }

  /** Hot. Each edit of a command, in order, once the command took effect. Completes when the manager is closed; never errors. */
  get events$(): Observable<RegionEvent> {
    return this.#events.asObservable();
  }

  /** In attach order; also the one that is being attached, which is pending. */
  get attachments(): readonly Attachment[] {
    return [...this.#attachments.visible];
  }

  /**
   * Adds a region, unmapped and empty.
   *
   * @throws RegionOverlapError when it overlaps another, unless the one of higher priority contains the other whole, or both have
   * the same priority and range
   */
  addRegion(params: RegionParams): Promise<Region> {
    const copy = copyOf(params);
    return this.transaction((edit) => edit.addRegion(copy));
  }

  /**
   * Everything done through `edit` takes effect as one change set, or not at all. `work` is synchronous and is called when its turn
   * in the queue comes; if it throws, nothing happened, and the promise rejects with what it threw. Every other command is a
   * transaction of one edit.
   *
   * @throws DmaMapError when a target cannot map; nothing has changed
   * @throws DmaUnmapError when a target cannot unmap; everything has changed but what it names
   */
  transaction<T>(work: (edit: RegionEdit) => T): Promise<T> {
    return this.#command(() => this.#transactions.run(work));
  }

  /**
   * Attaches a target, or a branch: replays what is active, ascending and as one change set, then follows. Resolves once the
   * replay is applied. Commands issued meanwhile wait: they are neither lost nor seen twice.
   *
   * `attach(target)` is `attach(changes$ => changes$.pipe(ensureMapped(vaMapper), toTarget(target)))`, without `ensureMapped` for a
   * target that needs no VA.
   *
   * On failure: everything that the replay mapped is unmapped, and the target is not attached. When even that fails, the error
   * names what is stuck, and attaching the same target again first tries to unmap it.
   *
   * A target follows one manager at a time: until its attachment is gone, also while something is stuck at it.
   *
   * @throws DmaMapError when a map of the replay fails
   * @throws DmaError `ERR_ALREADY_ATTACHED`, here or to another manager; `ERR_NO_FD` for a target that `needsFd` while there is private
   * memory; `ERR_NO_VA_MAPPER`; `ERR_VA_MAPPER_IN_USE` for a branch with the VA mapper of another manager; `ABORT_ERR` (its name is
   * 'AbortError'), when the signal was aborted. A call that is under way then is given a second to come back, and to be undone; after that
   * the queue goes on without it
   */
  attach(target: DmaTarget | TargetBranch, options?: AttachOptions): Promise<Attachment> {
    return this.#command<AttachmentHandle>(() => run(this.#attachments.attach(target, options)));
  }

  /**
   * One snapshot change set for each subscriber, then every later change set, generations without a gap. Observing is not attaching:
   * it acknowledges nothing. Completes when the manager is closed; never errors.
   */
  changes(): Observable<ChangeSet> {
    return new Observable((subscriber) => {
      // Commands that the subscriber gives on seeing the snapshot wait until it follows what is live.
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

  /** RAM that has an fd, ascending: what another process can map. Now, and again whenever it changes. */
  shareable(): Observable<readonly ShareableRegion[]> {
    return new Observable((subscriber) => {
      this.#queue.hold(() => {
        this.#shareable.subscribe(subscriber);
      });
    });
  }

  /** What is active now, ascending. Stays true to its generation; costs nothing until its mappings are read. */
  snapshot(): MemoryMapSnapshot {
    return this.#view.snapshot();
  }

  /**
   * Lets queued commands finish, unmaps everything at every target, in reverse attach order, releases the VAs and completes the
   * streams. Later commands reject with `ERR_CLOSED`, once it is done. Again: the same promise.
   *
   * @throws DmaUnmapError when something could not be unmapped: its VA stays. `ERR_TARGET_PENDING` where the call of an attach that was given
   * up has not come back: `stuck` is what that target holds by now, which is unmapped when the call does
   */
  close(): Promise<void> {
    this.#closing ??= this.#queue.run(() => run(this.#close()));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #command<T>(command: () => T | Promise<T>): Promise<T> {
    if (this.#closing === undefined) {
      return this.#queue.run(command);
    }
    const error = closedError();
    return this.#queue.run<T>(() => {
      throw error;
    });
  }

  /** Nobody pays for it as long as nobody looks. */
  #publish(draft: Draft, set: ManagedSet): Coroutine<void> | undefined {
    return this.#events.observed || this.#changes.observed || this.#shareable.observed
      ? this.#tell(draft, set)
      : undefined;
  }

  *#tell(draft: Draft, set: ManagedSet): Coroutine<void> {
    if (this.#events.observed) {
      for (const event of draft.events()) {
        this.#events.next(event);
        const pause = pauseIfOver();
        if (pause !== undefined) {
          yield pause;
        }
      }
    }
    if (set.regionUnmaps.length > 0 || set.maps.length > 0) {
      this.#changes.next(set);
      if (this.#shareable.observed) {
        yield* this.#shareable.update(set);
      }
    }
  }

  *#close(): Coroutine<void> {
    const failed = yield* this.#attachments.detachAll();
    yield* this.#view.end();
    yield* waitFor(this.#vas.close());
    this.#events.complete();
    this.#changes.complete();
    this.#shareable.end();
    if (failed !== undefined) {
      throw failed;
    }
  }
}

/** All that is active, for somebody who comes late. It is read when he reads it. */
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

function closedError(): DmaError {
  return new DmaError('the region manager has been closed', { code: 'ERR_CLOSED', hint: 'make a new RegionManager' });
}
