import { abortError, mapFailure, pendingFailure, unmapFailure } from '../branches/command-errors.js';
import { failureOf } from '../branches/delivery-result.js';
import { inverse } from '../changes/managed-set.js';
import type { MapChange } from '../contracts/change-set.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import { DmaError, type DmaUnmapError } from '../contracts/errors.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { mapperInUse } from '../host-addresses/va-errors.js';
import type { VaOwner } from '../host-addresses/va-owner.js';
import { eachInSlices, mapInSlices } from '../ranges/slices.js';
import type { RegionTable } from '../regions/region-table.js';
import { checkBoolean, checkCallback, checkObject, checkSignal } from '../util/checks.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import type { SerialQueue } from '../util/serial-queue.js';
import type { View } from '../view/view.js';
import { branchOf, checkNeedsNoFd, claim, claimantOf, unclaim } from './attachable.js';
import type { AttachOptions } from './attachment.js';
import { anyStuck, AttachmentHandle, endSets, type HandleCommands } from './attachment-handle.js';
import type { Attachments } from './attachments.js';
import { warnOfAllPieces } from './piece-warnings.js';
import { replay } from './replay.js';
import { findFaults, recordActual } from './verification.js';

export interface AttachmentCommandsOptions {
  readonly attachments: Attachments;
  readonly queue: SerialQueue;
  readonly table: RegionTable;
  readonly view: View;
  readonly vas: VaOwner;
  readonly vaMapper: VaMapper | undefined;
  readonly warn: (warning: DmaError) => void;
}

/** The commands that attach, detach, verify and repair the attachments of a manager. */
export class AttachmentCommands implements HandleCommands {
  readonly #options: AttachmentCommandsOptions;
  readonly #attachments: Attachments;
  readonly #view: View;
  readonly #vas: VaOwner;

  constructor(options: AttachmentCommandsOptions) {
    this.#options = options;
    this.#attachments = options.attachments;
    this.#view = options.view;
    this.#vas = options.vas;
  }

  /** Runs `RegionManager.attach`. */
  *attach(target: DmaTarget | TargetBranch, options: AttachOptions = {}): Coroutine<AttachmentHandle> {
    checkObject(options, 'the options of attach');
    const { signal } = options;
    checkSignal(signal);
    checkCallback(options.onProgress, 'onProgress');
    if (signal?.aborted === true) {
      throw abortError('the attach was aborted before it began', signal.reason);
    }
    const { vaMapper, warn } = this.#options;
    const attachments = this.#attachments;
    const view = this.#view;
    const handle = new AttachmentHandle(branchOf(target, vaMapper), this, warn);
    attachments.attaching = handle;
    const checkpoint = this.#vas.checkpoint;
    try {
      yield* this.#claimTargets(handle);
      if (anyStuck(attachments)) {
        yield* this.clearStuck(yield* view.all(), view.generation);
      }
      yield* replay(handle, options, { view, warn, blockersOf: (failure) => attachments.blockersOf(failure) });
      attachments.add(handle);
      yield* warnOfAllPieces(this.#options.table, handle.ports, warn);
      return handle;
    } catch (error) {
      yield* this.#endOrKeepLeaving(handle);
      yield* waitFor(this.#vas.releaseSince(checkpoint));
      throw error;
    } finally {
      yield* handle.endSet();
      yield* endSets(attachments) ?? EMPTY_LIST;
      attachments.attaching = undefined;
    }
  }

  detach(handle: AttachmentHandle): Promise<void> {
    return this.#enqueue(() => this.#detach(handle));
  }

  retryStuck(handle: AttachmentHandle): Promise<void> {
    return this.#enqueue(() => this.#retryStuck(handle));
  }

  verify(handle: AttachmentHandle): Promise<readonly Finding[]> {
    return this.#enqueue(() => findFaults(handle));
  }

  heal(handle: AttachmentHandle, options: HealOptions): Promise<void> {
    return this.#enqueue(() => this.#heal(handle, options));
  }

  /**
   * Unmaps everything at every target, in reverse attach order. Returns an error that names what could not be unmapped.
   */
  *detachAll(): Coroutine<DmaUnmapError | undefined> {
    const failures: DmaUnmapError[] = [];
    for (const handle of [...this.#attachments.attached.toReversed(), ...this.#attachments.leaving]) {
      try {
        yield* this.#detach(handle);
      } catch (error) {
        failures.push(error as DmaUnmapError);
      }
    }
    const [first] = failures;
    return failures.length < 2 || first === undefined
      ? first
      : unmapFailure(
          first.cause instanceof DmaError ? first.cause : first,
          failures.flatMap(({ stuck }) => stuck),
        );
  }

  /**
   * Unmaps again what is stuck at the addresses of these mappings, at all targets, and releases the VAs that are no
   * longer used.
   */
  *clearStuck(maps: readonly MapChange[], generation: number): Coroutine<void> {
    const ranges = yield* mapInSlices(maps, ({ range }) => range);
    for (const handle of this.#attachments.all.toReversed()) {
      if (handle.hasStuck && !handle.pending) {
        const { tried } = yield* handle.unmapStuck(generation, ranges);
        yield* waitFor(this.#vas.releaseUnused(tried));
        yield* this.#endIfEmpty(handle);
      }
    }
  }

  #enqueue<T>(command: () => Coroutine<T>): Promise<T> {
    return this.#options.queue.runAlways(() => run(this.#endSetsAfter(command())));
  }

  *#endSetsAfter<T>(command: Coroutine<T>): Coroutine<T> {
    try {
      return yield* command;
    } finally {
      yield* endSets(this.#attachments) ?? EMPTY_LIST;
    }
  }

  /**
   * Claims the targets of a new attachment, after it has detached the earlier attachments of this manager that were
   * leaving them.
   */
  *#claimTargets(handle: AttachmentHandle): Coroutine<void> {
    if (handle.broken !== undefined) {
      throw handle.broken;
    }
    const attachments = this.#attachments;
    if (handle.vas.some(({ owner }) => owner !== undefined && owner !== attachments)) {
      throw mapperInUse('give ensureMapped() the VA mapper of the manager that the branch is attached to');
    }
    for (const { target } of handle.ports) {
      const claimant = claimantOf(target);
      if (claimant !== undefined && attachments.leaving.includes(claimant)) {
        yield* this.#detach(claimant);
      }
      claim(target, handle, attachments.attached);
      checkNeedsNoFd(target, this.#vas.privates.first);
    }
  }

  *#detach(handle: AttachmentHandle): Coroutine<void> {
    if (handle.phase === 'gone') {
      return;
    }
    if (handle.pending) {
      throw pendingFailure(handle.target, yield* handle.ledgers.held());
    }
    const set = yield* handle.ledgers.unmapAllSet(this.#view);
    // An attachment that was leaving with an unanswered set may have kept VAs that its ledger does not name: all unused
    // VAs are released.
    const kept =
      handle.phase === 'leaving' ? undefined : yield* mapInSlices(yield* handle.ledgers.stuck(), ({ range }) => range);
    let cause: DmaError | undefined;
    if (set.unmaps.length > 0) {
      cause = (yield* waitFor(handle.serve(set))).error;
    }
    this.#attachments.remove(handle);
    yield* this.#endOrKeepLeaving(handle);
    yield* waitFor(this.#vas.releaseUnused(kept));
    if (handle.hasStuck) {
      throw unmapFailure(cause, yield* handle.ledgers.stuck());
    }
  }

  *#retryStuck(handle: AttachmentHandle): Coroutine<void> {
    if (handle.pending) {
      throw pendingFailure(handle.target, yield* handle.ledgers.held());
    }
    const { tried, error } = yield* handle.unmapStuck(this.#view.generation);
    yield* waitFor(this.#vas.releaseUnused(tried));
    yield* this.#endIfEmpty(handle);
    if (handle.hasStuck) {
      throw unmapFailure(error, yield* handle.ledgers.stuck());
    }
  }

  *#heal(handle: AttachmentHandle, options: HealOptions): Coroutine<void> {
    checkObject(options, 'the options of heal');
    checkBoolean(options.unexpected, 'unexpected');
    if (handle.phase === 'gone') {
      return;
    }
    yield* waitFor(this.#vas.releaseUnused(yield* recordActual(handle, options)));
    yield* this.#endIfEmpty(handle);
    let unmapFailed: { readonly error: unknown } | undefined;
    try {
      yield* this.#retryStuck(handle);
    } catch (error) {
      unmapFailed = { error };
    }
    yield* this.#mapMissing(handle);
    if (unmapFailed !== undefined) {
      throw unmapFailed.error;
    }
  }

  /** @throws DmaMapError when a mapping is still missing */
  *#mapMissing(handle: AttachmentHandle): Coroutine<void> {
    const view = this.#view;
    const maps: MapChange[] = [];
    yield* eachInSlices(yield* handle.missingInSlices(), (range) => {
      const mapping = view.at(range);
      if (mapping !== undefined) {
        maps.push(mapping);
      }
    });
    if (maps.length === 0) {
      return;
    }
    yield* this.clearStuck(maps, view.generation);
    const outcome = yield* waitFor(handle.serve(inverse(view.generation, [], maps)));
    if (outcome.error !== undefined) {
      const failure = failureOf(outcome, outcome.error);
      const { target } = handle;
      const missing = yield* mapInSlices(yield* handle.missingInSlices(), (range) => ({ target, range }));
      throw mapFailure(
        failure,
        { undone: [], missing, stuck: yield* handle.ledgers.stuck() },
        yield* this.#attachments.blockersOf(failure),
      );
    }
  }

  /**
   * Ends an attachment that gets no more change sets; keeps it as leaving while something is held or stuck, or a call
   * is not answered.
   */
  *#endOrKeepLeaving(handle: AttachmentHandle): Coroutine<void> {
    const wasPending = handle.pending;
    yield* handle.endSet();
    if (wasPending || handle.hasStuck || !(yield* handle.ledgers.isEmpty())) {
      yield* handle.markLeaving();
      this.#attachments.addLeaving(handle);
      if (wasPending) {
        handle.onceAnswered(() => {
          this.detach(handle).catch((error: unknown) => {
            this.#options.warn(error as DmaError);
          });
        });
      }
      return;
    }
    this.#attachments.removeLeaving(handle);
    unclaim(handle);
    handle.end();
  }

  *#endIfEmpty(handle: AttachmentHandle): Coroutine<void> {
    if (handle.phase === 'leaving') {
      yield* this.#endOrKeepLeaving(handle);
    }
  }
}
