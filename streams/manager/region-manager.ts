import type { Observable } from 'rxjs';
import type { Attachment, AttachOptions } from '../attachments/attachment.js';
import type { ChangeSet, MemoryMapSnapshot, ShareableRegion } from '../contracts/change-set.js';
import type { SerialQueue } from '../util/serial-queue.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import type { DmaError } from '../contracts/errors.js';
import { copyOfRam } from '../regions/ram-params.js';
import { closedError } from '../regions/edit-errors.js';
import { copyOf } from '../regions/region-checks.js';
import { checkedOptions, type RegionManagerOptions } from './region-manager-options.js';
import type { RamParams, Region, RegionEdit, RegionEvent, RegionParams } from '../contracts/region.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import { ManagerParts } from './manager-parts.js';
import { offerOnlooking } from './onlooking.js';
import type { ManagerStreams } from './manager-streams.js';
import type { Transactions } from './transactions.js';
import { hostAddressTarget } from '../host-addresses/host-address-target.js';
import { printable } from '../util/printing.js';

/**
 * The guest physical address space: its regions, and the targets to which every change of the active mappings is
 * delivered.
 *
 * Order: commands take effect one at a time, in call order. A command that is given while another one runs, for
 * instance by a subscriber, is queued. Within a command every unmap, at all targets in reverse attach order, precedes
 * every map, at all targets in attach order. The promises of commands settle in the same order, also those that reject:
 * a callback that is passed to `then` immediately after a call runs before those of all later commands.
 *
 * On failure: a command with a failed map rejects with a `DmaMapError` and is undone at all targets; the error names
 * what could not be undone. A command with a failed unmap takes effect, and rejects with a `DmaUnmapError` that names
 * the mappings that stay, and their targets. A command that is refused before any target is called rejects with a
 * `DmaError`, `RegionOverlapError`, `TypeError` or `RangeError`; it has changed nothing.
 *
 * A target whose promise never settles blocks all later commands; `attachments` shows it as `pending`.
 *
 * @example
 * ```ts
 * import { MemoryRange, RegionManager } from 'dma-streams';
 * import { Memfd } from 'dma-streams/binding';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * using memory = Memfd.create('ram', 16n << 20n);
 * await using manager = new RegionManager();
 * await manager.attach(new LoggingTarget());
 * await manager.addRam({ name: 'ram', range: MemoryRange.ofLength(0, 16 << 20), backing: memory });
 * console.log(manager.snapshot().mappings.length); // 1
 * ```
 */
export class RegionManager implements AsyncDisposable {
  readonly #parts: ManagerParts;
  readonly #queue: SerialQueue;
  readonly #streams: ManagerStreams;
  readonly #transactions: Transactions;
  #closing: Promise<void> | undefined = undefined;

  /**
   * @throws DmaError `ERR_VA_MAPPER_IN_USE` when the VA mapper belongs to another manager, `ERR_NO_VA_MAPPER` for
   * `hostAddresses: 'always'` without one; TypeError or RangeError when an option has the wrong type or value
   */
  constructor(options: RegionManagerOptions = {}) {
    const checked = checkedOptions(options);
    this.#parts = new ManagerParts(checked);
    this.#queue = this.#parts.queue;
    this.#streams = this.#parts.streams;
    this.#transactions = this.#parts.transactions;
    offerOnlooking(this, this.#parts);
    if (checked.hostAddresses === 'always') {
      // The first command of the manager. Without mappings it cannot fail.
      void this.attach(hostAddressTarget());
    }
  }

  /**
   * Hot. Each edit of a command, in order, after the command has taken effect and before its promise settles: within the call where all targets
   * answer at once. A late subscriber gets later edits only. Completes when the manager is closed, for a late subscriber at once; never errors.
   */
  get events$(): Observable<RegionEvent> {
    return this.#streams.events$;
  }

  /**
   * Hot. Each failure that does not fail a command, as `RegionManagerOptions.onWarning` lists them, when it is found: within a command, or from a
   * timer (`ERR_TARGET_SLOW`). A late subscriber gets later ones only. Completes when the manager is closed; never errors.
   */
  get warnings$(): Observable<DmaError> {
    return this.#streams.warnings$;
  }

  /**
   * All regions, also those that are not mapped or are covered, in the order in which they were added. A copy, as of the last
   * command that took effect: without those that a running command adds, with those that it removes.
   */
  get regions(): readonly Region[] {
    return this.#parts.regions.list();
  }

  /**
   * In attach order, including the attachment whose replay is running, which is `pending`. Then those that are `leaving`:
   * detached, or never attached because their replay failed, while something is held or stuck at their targets, or a call
   * has not ended. With `hostAddresses: 'always'`, the first is that of the target `host addresses`.
   */
  get attachments(): readonly Attachment[] {
    return [...this.#parts.attachments.all];
  }

  /**
   * Hot, with the current value. The list `attachments`: within `subscribe`, and again each time that an attachment comes, because its replay
   * begins; is `leaving`; or goes. Each list is a new one. Other changes, such as of `pending`, cause no emission. An emission is part of the
   * command that causes it, and commands that are given meanwhile wait. Completes when the manager has been closed and no attachment is left, for
   * a late subscriber at once and without a list; never errors.
   *
   * @example
   * ```ts
   * import { RegionManager } from 'dma-streams';
   * import { LoggingTarget } from 'dma-streams/targets';
   *
   * const manager = new RegionManager();
   * manager.attachments$.subscribe((list) => console.log(list.map(({ target }) => target)));
   * await manager.attach(new LoggingTarget());
   * await manager.close();
   * // prints [], [ 'log' ], []
   * ```
   */
  get attachments$(): Observable<readonly Attachment[]> {
    return this.#parts.attachments.list$;
  }

  /**
   * Adds a region, which is unmapped and has no mappings. The parameters are read at the call.
   *
   * On failure: nothing has changed.
   *
   * @throws RegionOverlapError when it overlaps another region in a way that option `overlap` of the manager does not allow; TypeError or RangeError for a wrong parameter; DmaError
   * `ERR_CLOSED`
   */
  addRegion(params: RegionParams): Promise<Region> {
    const copy = copyOf(params);
    return this.transaction((edit) => edit.addRegion(copy));
  }

  /**
   * Adds a region of RAM, with one mapping over all of it, and maps it; writable unless told otherwise: `addRegion`, `addMapping` and `map` as one command and one
   * change set. The parameters are read at the call. To take the memory out again: `region.remove()`. Where regions of higher priority, or of the
   * same priority and added before, are mapped already, the memory is hidden, and is no failure: see `region.active`.
   *
   * Order: as every command, it waits for earlier ones, and resolves when every target has mapped the memory.
   *
   * On failure: nothing has changed, and there is no region. A `DmaUnmapError` is the exception: the region is there and mapped, and what it
   * covers is unmapped, except for the mappings in `stuck`.
   *
   * @returns the region, which is mapped
   * @throws TypeError or RangeError for a wrong parameter
   * @throws RegionOverlapError as `addRegion`; DmaError `ERR_BEYOND_FILE` when the file ends before the range does, `ERR_CLOSED` when it or the
   * manager is closed, `ERR_NO_VA_MAPPER`, `ERR_NO_FD` and `ERR_PRIVATE_MEMORY` for private memory that is not possible here
   * @throws DmaMapError when a target failed to map it: it has been undone at all targets, except for what the error names in `stuck` and `missing`
   * @throws DmaUnmapError when a target failed to unmap what it covers
   *
   * @example
   * ```ts
   * import { MemoryRange, RegionManager } from 'dma-streams';
   * import { Memfd } from 'dma-streams/binding';
   *
   * using memory = Memfd.create('ram', 16n << 20n);
   * await using manager = new RegionManager();
   * // 8 MiB at guest address 0, and the rest of the file at 4 GiB:
   * await manager.addRam({ name: 'low', range: MemoryRange.ofLength(0, 8 << 20), backing: memory });
   * const range = MemoryRange.ofLength(4n << 30n, 8 << 20);
   * const high = await manager.addRam({ name: 'high', range, backing: memory, fileOffset: 8n << 20n });
   * await high.remove();
   * ```
   */
  addRam(params: RamParams): Promise<Region> {
    const copy = copyOfRam(params);
    return this.transaction((edit) => edit.addRam(copy));
  }

  /**
   * Runs several edits as one change set, which takes effect completely or not at all. Every other command that changes
   * regions is a transaction of one edit.
   *
   * @param work makes the edits through `edit`, which is valid until `work` returns. It is called when the command's
   * turn in the queue comes, and must be synchronous. When it throws, nothing has changed, and the promise rejects with
   * what it threw
   * @returns what `work` returned
   * @throws DmaMapError when a target failed to map: the transaction has been undone, except for what the error names
   * in `stuck` and `missing`
   * @throws DmaUnmapError when a target failed to unmap: the transaction has taken effect, except for the mappings in
   * `stuck`
   * @throws DmaError `ERR_CLOSED`
   */
  transaction<T>(work: (edit: RegionEdit) => T): Promise<T> {
    return this.#queue.run(() => this.#transactions.run(work));
  }

  /**
   * Attaches a target or a branch: maps all active mappings there, ascending, as one change set (the replay), and
   * delivers every later change set to it. Resolves when the replay has been applied. Commands that are given meanwhile
   * are queued and delivered afterwards.
   *
   * `attach(target)` is `attach(changes$ => changes$.pipe(ensureMapped(vaMapper), toTarget(target)))`, without
   * `ensureMapped` for a target that does not set `needsVa`.
   *
   * On failure: everything that the replay mapped is unmapped, and the target is not attached. The error names in
   * `stuck` what could not be unmapped; a later attach of the same target first tries to unmap it again.
   *
   * A target belongs to one manager at a time: until it has been detached and nothing is stuck at it.
   *
   * @throws TypeError when `target` is neither a target nor a branch, or an option has the wrong type
   * @throws DmaMapError when a map of the replay fails
   * @throws DmaError `ERR_ALREADY_ATTACHED` when the target is attached to this or another manager; `ERR_NO_FD` for a
   * target that `needsFd` while there is private memory; `ERR_NO_VA_MAPPER` for a target that `needsVa` when the
   * manager has no mapper; `ERR_VA_MAPPER_IN_USE` for a branch with the VA mapper of another manager; `ERR_CLOSED`;
   * `ABORT_ERR` (its `name` is 'AbortError') when the signal is aborted. A call that has not been answered then has one
   * second to complete and be undone; after that the queue continues, and what the call maps is unmapped when it
   * completes
   */
  attach(target: DmaTarget | TargetBranch, options?: AttachOptions): Promise<Attachment> {
    return this.#queue.run<Attachment>(() => run(this.#parts.attachmentCommands.attach(target, options)));
  }

  /**
   * Cold. Emits one snapshot change set within `subscribe`, then every later change set that is not empty, in order and with consecutive generations,
   * when its command has taken effect and before its promise settles. A subscriber only observes: commands do not wait for it. Each set is a copy.
   * Completes when the manager is closed, for a late subscriber after the snapshot; never errors.
   */
  changes(): Observable<ChangeSet> {
    return this.#streams.changes();
  }

  /**
   * Cold. Emits the active RAM that has a file descriptor, which another process can map: ascending, within `subscribe`, and after every change of it
   * before the promise of the command settles. Completes when the manager is closed, for a late subscriber after an empty list; never errors.
   */
  shareable(): Observable<readonly ShareableRegion[]> {
    return this.#streams.shareable();
  }

  /**
   * The active mappings of this generation, ascending. Later changes do not affect it. Its list is made when it is
   * first read.
   */
  snapshot(): MemoryMapSnapshot {
    return this.#parts.view.snapshot();
  }

  /**
   * Waits for the queued commands, unmaps everything at every target, in reverse attach order, releases the VAs and
   * completes the streams. Later commands reject with `ERR_CLOSED`, after the close has finished. Every call returns
   * the same promise.
   *
   * @throws DmaUnmapError when something could not be unmapped; its VA is not released, everything else is done. Its
   * `code` is `ERR_TARGET_PENDING` when a call of an aborted attach has not completed: `stuck` is what that target holds
   * now, which is unmapped when the call completes
   */
  close(): Promise<void> {
    return this.#closing ?? this.#startClosing();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The work begins when the promise is known: a target that closes the manager in it gets the same one. */
  #startClosing(): Promise<void> {
    let closing!: Promise<void>;
    this.#queue.close(closedError);
    this.#queue.hold(() => {
      closing = this.#closing = this.#queue.runAlways(() => run(this.#close()));
    });
    return closing;
  }

  *#close(): Coroutine<void> {
    const failed = yield* this.#parts.attachmentCommands.detachAll();
    yield* this.#parts.view.end();
    yield* waitFor(this.#parts.vas.close());
    this.#parts.watch.close();
    this.#streams.end();
    this.#parts.attachments.close();
    if (failed !== undefined) {
      throw failed;
    }
  }

  static {
    printable(this, (manager) => ({
      generation: manager.#parts.view.generation,
      regions: manager.regions,
      attachments: manager.attachments,
    }));
  }
}
