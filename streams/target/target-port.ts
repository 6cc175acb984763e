import type { Observable } from 'rxjs';
import { inverse, unmapOf } from '../changes/managed-set.js';
import { SetResult } from '../changes/outcomes.js';
import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import type { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { mapInSlices } from '../ranges/slices.js';
import { isPromiseLike, run, waitFor, type Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { mapInOrder } from '../util/map-in-order.js';
import { toAnswer } from './answers.js';
import { Ledger } from './ledger.js';
import type { Monitor } from './monitor.js';
import { SetHooks } from './set-hooks.js';
import { TargetCalls } from './target-calls.js';
import { TargetMaps } from './target-maps.js';
import { TargetUnmaps } from './target-unmaps.js';

/**
 * Serves change sets by calls of one target, one call at a time, and keeps the ledger of what the target holds.
 *
 * The first failed map of RAM stops a forward set and undoes it, newest first. An inverse set (`undo`) is served to its
 * end, past failures. A failed map of device memory is skipped in a forward set. The unmaps of any set are served to
 * their end; a failed one leaves its mappings stuck. A long set yields to the event loop between its calls.
 */
export class TargetPort {
  readonly target: DmaTarget;
  readonly ledger = new Ledger();
  /** `undefined` if the target is not told of sets. */
  readonly #hooks: SetHooks | undefined;
  readonly #calls: TargetCalls;
  readonly #unmaps: TargetUnmaps;
  readonly #maps: TargetMaps;
  /** The set that was served last; may be reset by whoever reads it. */
  served: ChangeSet | undefined = undefined;
  #isServing = false;

  constructor(target: DmaTarget) {
    this.target = target;
    this.#calls = new TargetCalls(target);
    this.#hooks = SetHooks.of(target, this.name, this.#calls.open);
    this.#unmaps = new TargetUnmaps(this.#calls, this.ledger);
    this.#maps = new TargetMaps(this.#calls, this.ledger, this.#unmaps);
  }

  get name(): string {
    return this.#calls.name;
  }

  get needsFd(): boolean {
    return this.#calls.needsFd;
  }

  /** Whether the target can list, or count, what it holds. */
  has(method: 'mappedRanges' | 'mappedCount'): boolean {
    return this.#calls.has(method);
  }

  /**
   * The error that says that the target is gone. Then it is not called again and holds nothing; its maps fail with this
   * error, except for those of an inverse set, of which nothing is done.
   */
  get gone(): DmaError | undefined {
    return this.#calls.gone;
  }

  /** The target counts as gone, and whoever waits for a call of it gets this error. */
  abandon(error: DmaError): void {
    this.#calls.end(error);
    this.#forget();
    this.#calls.open.abandon(error);
  }

  /** Resolves when the call that was open when the target was abandoned has ended; `undefined` if there was none. */
  get abandonedCall(): Promise<unknown> | undefined {
    return this.#calls.open.abandoned;
  }

  /** Whether a set is being served. */
  get isServing(): boolean {
    return this.#isServing;
  }

  /** Whether a call of the target has not been answered. */
  get isInCall(): boolean {
    return this.#calls.open.isOpen;
  }

  /** What identifies the call of the target that has not been answered; another one for each call. */
  get openCall(): object | undefined {
    return this.#calls.open.current;
  }

  /**
   * The call that has not been answered fails with this error, and the target is not called again until it ends: other
   * calls fail with `ERR_TARGET_PENDING`. The mappings of the call are stuck. To be called only while `isInCall`.
   */
  timeOut(error: DmaError): void {
    this.#calls.timeOut(error);
    void this.#calls.open.abandoned?.then(() => {
      if (this.#isGone()) {
        this.#forget(); // The call has ended and said so.
      }
    });
  }

  /** Waits for the answer of a call of the target that was made past the sets. */
  *answerOf(call: () => unknown, about?: { readonly range: MemoryRange }): Coroutine<unknown> {
    this.#calls.resume();
    try {
      const answer = toAnswer(this.#calls.isWaiting ? this.#calls.refuse() : call());
      return isPromiseLike(answer) ? yield this.#calls.open.wait(answer) : answer;
    } catch (thrown) {
      const error = this.#calls.toError(thrown, about);
      if (this.gone !== undefined) {
        this.#forget();
      }
      throw error;
    }
  }

  /** Observes the sets that are served from now on, and may abort them. */
  set monitor(monitor: Monitor | undefined) {
    this.#maps.monitor = monitor;
    this.#calls.signal = monitor?.signal;
  }

  /** Whether the target may use the host address of the mapping at exactly this range, which is no longer active. */
  usesVa(range: MemoryRange): boolean {
    const mapping = this.ledger.at(range);
    return mapping !== undefined && (mapping.hostVa !== undefined || this.#calls.needsVa);
  }

  /** Whether a set has begun at the target that `endSet` has to end. */
  get isInSet(): boolean {
    return this.#hooks?.isOpen === true && !this.#calls.isWaiting;
  }

  /**
   * Serves sets one after another, and emits the outcome of each.
   *
   * @param isWhole whether nobody else calls `endSet`: then each set ends before its outcome
   */
  outcomesOf(sets$: Observable<ChangeSet>, isWhole: boolean): Observable<Outcome> {
    return sets$.pipe(mapInOrder(isWhole ? (set) => run(this.#serveWhole(set)) : (set) => this.serve(set)));
  }

  /**
   * Serves one set, or one of its steps. The next one must not be served before this one has been answered. After the last
   * step at all targets, `endSet` is to be called.
   */
  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    this.served = set;
    return run(this.#serve(set));
  }

  /** Tells the target that the set has ended, if it was told that it has begun. Returns the error of the target. */
  *endSet(): Coroutine<DmaError | undefined> {
    this.#calls.refusal = undefined;
    const error = this.#hooks === undefined ? undefined : yield* this.#hooks.end();
    if (error?.code === 'ERR_TARGET_GONE') {
      this.#calls.end(error);
      this.#forget();
    }
    return error;
  }

  /** Unmaps one stuck mapping again. Returns the error if it is still stuck. */
  *unmapStuck(mapping: MapChange, generation: number): Coroutine<DmaError | undefined> {
    if (this.gone !== undefined) {
      return undefined;
    }
    this.#calls.resume();
    if (this.#hooks !== undefined && !this.#calls.isWaiting) {
      this.#calls.refusal = yield* this.#hooks.begin(generation);
    }
    const error = yield* this.#unmaps.unmapStuck(mapping, generation);
    if (this.#isGone()) {
      this.#forget();
    }
    return error;
  }

  *#serveWhole(set: ChangeSet): Coroutine<Outcome> {
    return yield* endSetAt([this], yield* waitFor(this.serve(set)));
  }

  *#serve(set: ChangeSet): Coroutine<Outcome> {
    if (this.#isGone()) {
      return this.#outcomeOnceGone(set);
    }
    const result = new SetResult();
    this.#isServing = true;
    this.#calls.resume();
    if (this.#hooks !== undefined && !this.#calls.isWaiting && set.unmaps.length + set.maps.length > 0) {
      this.#calls.refusal = yield* this.#hooks.begin(set.generation);
    }
    const listing = this.ledger.begin(set);
    if (listing !== undefined) {
      yield* listing;
    }
    if (set.unmaps.length > 0) {
      yield* this.#unmaps.serve(set, result);
    }
    if (set.maps.length > 0 && !this.#isGone() && (yield* this.#maps.serve(set, result)) && !this.#isGone()) {
      yield* this.#undo(set, result);
    }
    this.ledger.endSet();
    this.#isServing = false;
    if (this.#isGone()) {
      this.#forget();
      result.endAs(this.#calls.gone);
    }
    return result.outcome(set.generation, this.name);
  }

  #isGone(): boolean {
    return this.#calls.gone !== undefined;
  }

  #outcomeOnceGone({ generation, maps, undo }: ChangeSet): Outcome {
    const result = new SetResult();
    if (maps.length > 0 && undo !== true) {
      result.endAs(this.#calls.gone);
    }
    return result.outcome(generation, this.name);
  }

  /** The target holds nothing any more. */
  #forget(): void {
    this.ledger.clear();
    this.#hooks?.drop();
  }

  /** Undoes a set that has failed: unmaps its maps, newest first, then maps again what it had unmapped. */
  *#undo({ generation, unmaps }: ChangeSet, result: SetResult): Coroutine<void> {
    const mapped = yield* this.ledger.mappedInSet();
    const removed = unmaps.length === 0 ? EMPTY_LIST : yield* this.ledger.unmappedInSlices();
    const undo = inverse(generation, yield* mapInSlices(mapped.toReversed(), unmapOf), removed);
    result.addUndo(yield* this.#serve(undo));
  }
}

/** Ends a set that no manager ends, at these targets. The first error of `endSet` makes the outcome fail. */
export function* endSetAt(ports: readonly TargetPort[], outcome: Outcome): Coroutine<Outcome> {
  let failure: DmaError | undefined;
  for (const port of ports) {
    if (port.isInSet) {
      failure = (yield* port.endSet()) ?? failure;
    }
  }
  return failure === undefined ? outcome : { ...outcome, status: 'failed', error: outcome.error ?? failure };
}
