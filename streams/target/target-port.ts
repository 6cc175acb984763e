import type { Observable } from 'rxjs';
import { inverse, unmapOf } from '../changes/managed-set.js';
import { SetResult } from '../changes/outcomes.js';
import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import type { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { mapInSlices } from '../ranges/slices.js';
import { run, type Coroutine } from '../util/coroutine.js';
import { EMPTY_LIST } from '../util/lists.js';
import { mapInOrder } from '../util/map-in-order.js';
import { Ledger } from './ledger.js';
import type { Monitor } from './monitor.js';
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
  readonly #calls: TargetCalls;
  readonly #unmaps: TargetUnmaps;
  readonly #maps: TargetMaps;

  constructor(target: DmaTarget) {
    this.target = target;
    this.#calls = new TargetCalls(target);
    this.#unmaps = new TargetUnmaps(this.#calls, this.ledger);
    this.#maps = new TargetMaps(this.#calls, this.ledger, this.#unmaps);
  }

  get name(): string {
    return this.target.name;
  }

  /** Observes the sets that are served from now on, and may abort them. */
  set monitor(monitor: Monitor | undefined) {
    this.#maps.monitor = monitor;
    this.#calls.signal = monitor?.signal;
  }

  /** Whether the target may use the host address of the mapping at exactly this range, which is no longer active. */
  usesVa(range: MemoryRange): boolean {
    const mapping = this.ledger.at(range);
    return mapping !== undefined && (mapping.hostVa !== undefined || this.target.needsVa === true);
  }

  /** Serves sets one after another, and emits the outcome of each. */
  outcomesOf(sets$: Observable<ChangeSet>): Observable<Outcome> {
    return sets$.pipe(mapInOrder((set) => this.serve(set)));
  }

  /** Serves one set. The next one must not be served before this one has been answered. */
  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    return run(this.#serve(set));
  }

  /** Unmaps one stuck mapping again. Returns the error if it is still stuck. */
  unmapStuck(mapping: MapChange, generation: number): Coroutine<DmaError | undefined> {
    return this.#unmaps.unmapStuck(mapping, generation);
  }

  *#serve(set: ChangeSet): Coroutine<Outcome> {
    const result = new SetResult();
    const listing = this.ledger.begin(set);
    if (listing !== undefined) {
      yield* listing;
    }
    if (set.unmaps.length > 0) {
      yield* this.#unmaps.serve(set, result);
    }
    if (set.maps.length > 0 && (yield* this.#maps.serve(set, result))) {
      yield* this.#undo(set, result);
    }
    this.ledger.endSet();
    return result.outcome(set.generation, this.target.name);
  }

  /** Undoes a set that has failed: unmaps its maps, newest first, then maps again what it had unmapped. */
  *#undo({ generation, unmaps }: ChangeSet, result: SetResult): Coroutine<void> {
    const mapped = yield* this.ledger.mappedInSet();
    const removed = unmaps.length === 0 ? EMPTY_LIST : yield* this.ledger.unmappedInSlices();
    const undo = inverse(generation, yield* mapInSlices(mapped.toReversed(), unmapOf), removed);
    result.addUndo(yield* this.#serve(undo));
  }
}
