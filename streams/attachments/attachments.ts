import { append } from '../util/lists.js';
import { branchOf, checkNeedsNoFd, checkPrivateFits, claim, claimantOf, unclaim } from './attachable.js';
import type { AttachOptions } from './attachment.js';
import type { AttachmentCommands } from './attachment-commands.js';
import { AttachmentHandle } from './attachment-handle.js';
import type { MapChange } from '../contracts/change-set.js';
import { abortError, mapFailure, pendingFailure, unmapFailure } from '../branches/command-errors.js';
import { failureOf, type MapFailure } from '../branches/delivery-result.js';
import type { SerialQueue } from '../util/serial-queue.js';
import { hasUnmaps, inverse } from '../changes/managed-set.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import { DmaError, type DmaUnmapError, type TargetRange } from '../contracts/errors.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { replay } from './replay.js';
import { eachInSlices, mapInSlices } from '../ranges/slices.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { mapperInUse, type VaUser } from '../host-addresses/va-errors.js';
import type { VaOwner, VaUsers } from '../host-addresses/va-owner.js';
import { checkBoolean, checkCallback, checkObject, checkSignal } from '../util/checks.js';
import { recordActual, findFaults } from './verification.js';
import type { View } from '../view/view.js';

export interface AttachmentsOptions {
  readonly queue: SerialQueue;
  readonly view: View;
  readonly vaMapper: VaMapper | undefined;
  readonly warn: (warning: DmaError) => void;
}

/** All attachments of a manager, and the commands that they take. */
export class Attachments implements AttachmentCommands<AttachmentHandle>, VaUsers {
  /** In attach order. */
  #attached: AttachmentHandle[] = [];
  #attaching: AttachmentHandle | undefined = undefined;
  /** Detached, but something of it is stuck, or a call of it has not come back. */
  #leaving: AttachmentHandle[] = [];
  readonly #options: AttachmentsOptions;
  readonly #vas: () => VaOwner;

  constructor(options: AttachmentsOptions, vas: () => VaOwner) {
    this.#options = options;
    this.#vas = vas;
  }

  /** What gets change sets, in attach order. */
  get attached(): readonly AttachmentHandle[] {
    return this.#attached;
  }

  /** Also what is being attached now. */
  get visible(): readonly AttachmentHandle[] {
    return this.#attaching === undefined ? this.#attached : [...this.#attached, this.#attaching];
  }

  /** Whether a target may still be using the host address of the mapping at exactly this range, which has left the view. */
  usesVa(range: MemoryRange): boolean {
    const uses = (handle: AttachmentHandle): boolean => handle.usesVa(range);
    return this.visible.some(uses) || this.#leaving.some(uses);
  }

  /** Those that do. */
  usersOf(range: MemoryRange): readonly VaUser[] {
    return this.#everyone().flatMap((handle) => handle.usersOf(range));
  }

  /** @throws DmaError when a target is attached that can do nothing with private memory */
  checkPrivate(region: string, range: MemoryRange): void {
    for (const { ports } of this.visible) {
      checkPrivateFits(ports, region, range);
    }
  }

  /** Replays what is active. On failure: everything that the replay mapped is unmapped, and the target is not attached. */
  *attach(target: DmaTarget | TargetBranch, options: AttachOptions = {}): Coroutine<AttachmentHandle> {
    checkObject(options, 'the options of attach');
    const { signal } = options;
    checkSignal(signal);
    checkCallback(options.onProgress, 'onProgress');
    if (signal?.aborted === true) {
      throw abortError('the attach was aborted before it began', signal.reason);
    }
    const handle = new AttachmentHandle(branchOf(target, this.#options.vaMapper), this, this.#options.warn);
    this.#attaching = handle;
    const mark = this.#vas().mark();
    try {
      yield* this.#checkPorts(handle);
      if (this.hasStuck) {
        yield* this.clearStuck(yield* this.#options.view.all(), this.#options.view.generation);
      }
      yield* replay(handle, options, { ...this.#options, blockersOf: (failure) => this.blockersOf(failure) });
      this.#attached.push(handle);
      return handle;
    } catch (error) {
      yield* this.#endOrKeepLeaving(handle);
      yield* waitFor(this.#vas().releaseSince(mark));
      throw error;
    } finally {
      this.#attaching = undefined;
    }
  }

  detach(handle: AttachmentHandle): Promise<void> {
    return this.#command(() => this.#detach(handle));
  }

  retryStuck(handle: AttachmentHandle): Promise<void> {
    return this.#command(() => this.#retryStuck(handle));
  }

  verify(handle: AttachmentHandle): Promise<readonly Finding[]> {
    return this.#command(() => findFaults(handle));
  }

  heal(handle: AttachmentHandle, options: HealOptions): Promise<void> {
    return this.#command(() => this.#heal(handle, options));
  }

  /** Unmaps everything at every target, in reverse attach order. Returns what could not be unmapped. */
  *detachAll(): Coroutine<DmaUnmapError | undefined> {
    const failures: DmaUnmapError[] = [];
    for (const handle of [...this.#attached.toReversed(), ...this.#leaving]) {
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

  /** Tries again to unmap what is stuck where these mappings are to go. */
  *clearStuck(maps: readonly MapChange[], generation: number): Coroutine<void> {
    const ranges = yield* mapInSlices(maps, ({ range }) => range);
    for (const handle of this.#everyone().toReversed()) {
      if (handle.hasStuck && !handle.pending) {
        const { tried } = yield* handle.unmapStuck(generation, ranges);
        yield* waitFor(this.#vas().releaseUnused(tried));
        yield* this.#endIfEmpty(handle);
      }
    }
  }

  /** What keeps a map from being made that failed with `ERR_RANGE_STUCK`: all that is stuck in its pages. */
  *blockersOf({ error, range }: MapFailure): Coroutine<readonly TargetRange[]> {
    if (error.code !== 'ERR_RANGE_STUCK' || range === undefined) {
      return [];
    }
    const stuck: TargetRange[] = [];
    for (const handle of this.#everyone()) {
      append(stuck, yield* handle.stuck(range));
    }
    return stuck;
  }

  get hasStuck(): boolean {
    for (const handle of this.#attached) {
      if (handle.hasStuck) {
        return true;
      }
    }
    return this.#leaving.some((handle) => handle.hasStuck);
  }

  #command<T>(steps: () => Coroutine<T>): Promise<T> {
    return this.#options.queue.run(() => run(steps()));
  }

  #everyone(): AttachmentHandle[] {
    return this.#leaving.length === 0 ? [...this.visible] : [...this.visible, ...this.#leaving];
  }

  *#checkPorts(handle: AttachmentHandle): Coroutine<void> {
    if (handle.broken !== undefined) {
      throw handle.broken;
    }
    if (handle.vas.some(({ owner }) => owner !== undefined && owner !== this)) {
      throw mapperInUse('give ensureMapped() the VA mapper of the manager that the branch is attached to');
    }
    for (const { target } of handle.ports) {
      const claimant = claimantOf(target);
      if (claimant !== undefined && this.#leaving.includes(claimant)) {
        yield* this.#detach(claimant);
      }
      claim(target, handle, this.#attached);
      checkNeedsNoFd(target, this.#vas().privates.first);
    }
  }

  *#detach(handle: AttachmentHandle): Coroutine<void> {
    if (handle.phase === 'gone') {
      return;
    }
    if (handle.pending) {
      throw pendingFailure(handle.target, yield* handle.holdings());
    }
    const set = yield* handle.unmapAllSet(this.#options.view);
    // One that was left waiting has also held on to VAs of what it never told us of.
    const heldOnTo =
      handle.phase === 'leaving' ? undefined : yield* mapInSlices(yield* handle.stuck(), ({ range }) => range);
    let cause: DmaError | undefined;
    if (hasUnmaps(set)) {
      cause = (yield* waitFor(handle.serve(set))).error;
    }
    this.#attached = this.#attached.filter((other) => other !== handle);
    yield* this.#endOrKeepLeaving(handle);
    yield* waitFor(this.#vas().releaseUnused(heldOnTo));
    if (handle.hasStuck) {
      throw unmapFailure(cause, yield* handle.stuck());
    }
  }

  *#retryStuck(handle: AttachmentHandle): Coroutine<void> {
    if (handle.pending) {
      throw pendingFailure(handle.target, yield* handle.holdings());
    }
    const { tried, error } = yield* handle.unmapStuck(this.#options.view.generation);
    yield* waitFor(this.#vas().releaseUnused(tried));
    yield* this.#endIfEmpty(handle);
    if (handle.hasStuck) {
      throw unmapFailure(error, yield* handle.stuck());
    }
  }

  *#heal(handle: AttachmentHandle, options: HealOptions): Coroutine<void> {
    checkObject(options, 'the options of heal');
    checkBoolean(options.unexpected, 'unexpected');
    if (handle.phase === 'gone') {
      return;
    }
    yield* waitFor(this.#vas().releaseUnused(yield* recordActual(handle, options)));
    yield* this.#endIfEmpty(handle);
    let unmapFailure: { readonly error: unknown } | undefined;
    try {
      yield* this.#retryStuck(handle);
    } catch (error) {
      unmapFailure = { error };
    }
    const { view } = this.#options;
    const maps: MapChange[] = [];
    yield* eachInSlices(yield* handle.missingInSlices(), (range) => {
      const mapping = view.at(range);
      if (mapping !== undefined) {
        maps.push(mapping);
      }
    });
    if (maps.length > 0) {
      yield* this.clearStuck(maps, view.generation);
      const outcome = yield* waitFor(handle.serve(inverse(view.generation, [], maps)));
      if (outcome.error !== undefined) {
        const failure = failureOf(outcome, outcome.error);
        const missing = yield* mapInSlices(yield* handle.missingInSlices(), (range) => ({
          target: handle.target,
          range,
        }));
        throw mapFailure(
          failure,
          { undone: [], missing, stuck: yield* handle.stuck() },
          yield* this.blockersOf(failure),
        );
      }
    }
    if (unmapFailure !== undefined) {
      throw unmapFailure.error;
    }
  }

  *#endOrKeepLeaving(handle: AttachmentHandle): Coroutine<void> {
    const wasPending = handle.pending;
    if (wasPending || handle.hasStuck || !(yield* handle.isEmpty())) {
      yield* handle.markLeaving();
      if (!this.#leaving.includes(handle)) {
        this.#leaving.push(handle);
      }
      if (wasPending) {
        handle.onceAnswered(() => {
          this.detach(handle).catch((error: unknown) => {
            this.#options.warn(error as DmaError);
          });
        });
      }
      return;
    }
    this.#leaving = this.#leaving.filter((other) => other !== handle);
    unclaim(handle);
    handle.end();
  }

  *#endIfEmpty(handle: AttachmentHandle): Coroutine<void> {
    if (handle.phase === 'leaving') {
      yield* this.#endOrKeepLeaving(handle);
    }
  }
}
