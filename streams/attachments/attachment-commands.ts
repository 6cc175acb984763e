import { abandonedError, abortError, mapFailure, pendingFailure, unmapFailure } from '../branches/command-errors.js';
import { failureOf } from '../branches/delivery-result.js';
import { inverse } from '../changes/managed-set.js';
import type { MapChange, Outcome } from '../contracts/change-set.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import { DmaError, type DmaUnmapError } from '../contracts/errors.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { mapperInUse } from '../host-addresses/va-errors.js';
import type { VaOwner } from '../host-addresses/va-owner.js';
import { eachInSlices, mapInSlices } from '../ranges/slices.js';
import type { RegionTable } from '../regions/region-table.js';
import { checkBoolean, checkCallback, checkOptions, checkSignal } from '../util/checks.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import type { SerialQueue } from '../util/serial-queue.js';
import type { View } from '../view/view.js';
import { branchOf, checkNeedsNoFd, claim, claimantOf } from './attachable.js';
import type { AttachOptions, DetachOptions } from './attachment.js';
import { AttachmentHandle } from './attachment-handle.js';
import type { Attachments } from './attachments.js';
import { Departures } from './departures.js';
import type { HandleCommands } from './handle-commands.js';
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
  /** Is told of a set that has failed at an attachment. */
  readonly failed: (handle: AttachmentHandle, outcome: Outcome) => void;
}

/** The commands that attach, detach, verify and repair the attachments of a manager. */
export class AttachmentCommands implements HandleCommands<AttachmentHandle> {
  readonly #options: AttachmentCommandsOptions;
  readonly #attachments: Attachments;
  readonly #view: View;
  readonly #vas: VaOwner;
  readonly #departures: Departures;

  constructor(options: AttachmentCommandsOptions) {
    this.#options = options;
    this.#attachments = options.attachments;
    this.#view = options.view;
    this.#vas = options.vas;
    this.#departures = new Departures(options);
  }

  failed(handle: AttachmentHandle, outcome: Outcome): void {
    this.#options.failed(handle, outcome);
  }

  /** Runs `RegionManager.attach`. */
  *attach(target: DmaTarget | TargetBranch, options: AttachOptions = {}): Coroutine<AttachmentHandle> {
    checkOptions(options, { signal: true, onProgress: true }, 'attach');
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
    attachments.begin(handle);
    const checkpoint = this.#vas.checkpoint;
    try {
      yield* this.#claimTargets(handle);
      if (attachments.hasStuck) {
        yield* this.clearStuck(yield* view.all(), view.generation);
      }
      yield* replay(handle, options, { view, warn, blockersOf: (failure) => attachments.blockersOf(failure) });
      attachments.add(handle);
      yield* warnOfAllPieces(this.#options.table, handle.ports, warn);
      return handle;
    } catch (error) {
      yield* this.#departures.endOrKeepLeaving(handle);
      yield* waitFor(this.#vas.releaseSince(checkpoint));
      throw error;
    } finally {
      yield* handle.endSet();
      yield* attachments.endSets() ?? EMPTY_LIST;
      yield* this.endGone();
    }
  }

  detach(handle: AttachmentHandle, options: DetachOptions): Promise<void> {
    let abandon: boolean | undefined;
    try {
      checkOptions(options, { abandon: true }, 'detach');
      ({ abandon } = options);
      checkBoolean(abandon, 'abandon');
    } catch (error) {
      // In its turn, as every command that is refused.
      return this.#options.queue.runAlways(() => {
        throw error;
      });
    }
    if (abandon === true) {
      handle.abandon(abandonedError(handle.target, handle.pending ? handle.unanswering : 'target'));
    }
    return this.#enqueue(() => this.#departures.detach(handle));
  }

  /** Unmaps everything at every target. Returns an error that names what could not be unmapped. */
  detachAll(): Coroutine<DmaUnmapError | undefined> {
    return this.#departures.detachAll();
  }

  /** Ends the attachments of which a target is gone. To be called after each command. */
  endGone(): Coroutine<void> {
    return this.#departures.endGone();
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
   * Unmaps again what is stuck at the addresses of these mappings, at all targets, and releases the VAs that are no
   * longer used.
   */
  *clearStuck(maps: readonly MapChange[], generation: number): Coroutine<void> {
    const ranges = yield* mapInSlices(maps, ({ range }) => range);
    for (const handle of this.#attachments.all.toReversed()) {
      if (handle.hasStuck && !handle.pending) {
        const { tried } = yield* handle.unmapStuck(generation, ranges);
        yield* waitFor(this.#vas.releaseUnused(tried));
        yield* this.#departures.endIfEmpty(handle);
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
      yield* this.#attachments.endSets() ?? EMPTY_LIST;
      yield* this.endGone();
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
        yield* this.#departures.detach(claimant);
      }
      claim(target, handle, attachments.attached);
      checkNeedsNoFd(target, this.#vas.privates.first);
    }
  }

  *#retryStuck(handle: AttachmentHandle): Coroutine<void> {
    if (handle.pending) {
      throw pendingFailure(handle.target, yield* handle.ledgers.held(), handle.unanswering);
    }
    const { tried, error } = yield* handle.unmapStuck(this.#view.generation);
    yield* waitFor(this.#vas.releaseUnused(tried));
    yield* this.#departures.endIfEmpty(handle);
    if (handle.hasStuck) {
      throw unmapFailure(error, yield* handle.ledgers.stuck());
    }
  }

  *#heal(handle: AttachmentHandle, options: HealOptions): Coroutine<void> {
    checkOptions(options, { unexpected: true }, 'heal');
    checkBoolean(options.unexpected, 'unexpected');
    if (handle.phase === 'gone') {
      return;
    }
    yield* waitFor(this.#vas.releaseUnused(yield* recordActual(handle, options)));
    yield* this.#departures.endIfEmpty(handle);
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
}
