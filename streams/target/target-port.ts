import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { ManagedSet } from '../changes/managed-set.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import type { DmaError } from '../contracts/errors.js';
import type { DerivedAccount } from './derived-account.js';
import { Ledger } from './ledger.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { SetResult } from '../changes/set-result.js';
import { run, type Coroutine } from '../util/coroutine.js';
import type { Monitor } from './monitor.js';
import { TargetCalls } from './target-calls.js';
import { TargetMaps, type MapPause } from './target-maps.js';
import { TargetUnmaps, type UnmapPause } from './target-unmaps.js';

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

  /** Serves one set. The next one must not be served before this one has been answered. */
  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    const derived = this.ledger.derive(set);
    if (derived === undefined || !(set instanceof ManagedSet)) {
      return run(this.#serve(set));
    }
    // Most sets are served to their end here, without a coroutine.
    const unmapPause = set.unmaps.length > 0 ? this.#unmaps.begin(set, derived) : undefined;
    const mapPause = unmapPause === undefined && set.maps.length > 0 ? this.#maps.begin(set, derived) : undefined;
    if (unmapPause === undefined && mapPause === undefined) {
      this.ledger.endDerived();
      return new SetResult().outcome(set.generation, this.name);
    }
    return run(this.#serveDerived(set, derived, unmapPause, mapPause));
  }

  *#serveDerived(
    set: ManagedSet,
    derived: DerivedAccount,
    unmapPause: UnmapPause | undefined,
    mapPause: MapPause | undefined,
  ): Coroutine<Outcome> {
    const result = new SetResult();
    if (unmapPause !== undefined) {
      yield* this.#unmaps.resume(unmapPause, set, derived, result);
    }
    const paused =
      mapPause ??
      (set.maps.length > 0 ? this.#maps.begin(set, this.ledger.isDerived ? derived : undefined) : undefined);
    yield* this.#finishMaps(paused, set, result);
    this.ledger.endDerived();
    return result.outcome(set.generation, this.name);
  }

  *#serve(set: ChangeSet): Coroutine<Outcome> {
    const result = new SetResult();
    yield* this.ledger.begin(set);
    if (set.unmaps.length > 0) {
      yield* this.#unmaps.serve(set, result);
    }
    yield* this.#finishMaps(set.maps.length > 0 ? this.#maps.begin(set, undefined) : undefined, set, result);
    return result.outcome(set.generation, this.name);
  }

  *#finishMaps(paused: MapPause | undefined, set: ChangeSet, result: SetResult): Coroutine<void> {
    const mapped = paused === undefined ? undefined : yield* this.#maps.resume(paused, set, result);
    if (mapped !== undefined) {
      yield* this.#undo(set, mapped, result);
    }
  }

  /** Unmaps one stuck mapping again. Returns the error if it is still stuck. */
  unmapStuck(mapping: MapChange, generation: number): Coroutine<DmaError | undefined> {
    return this.#unmaps.unmapStuck(mapping, generation);
  }

  /** Undoes a set that has failed: unmaps its maps, newest first, then maps again what it had unmapped. */
  *#undo(set: ChangeSet, mapped: readonly MapChange[], result: SetResult): Coroutine<void> {
    yield* this.#unmaps.unmapEach(mapped.toReversed(), (change, error) => {
      this.ledger.forget(change);
      const at = { target: this.name, range: change.range };
      if (error === undefined) {
        result.add('undone', at);
      } else {
        this.ledger.stuck.add(change, set.generation);
        result.add('stuck', at);
      }
      return undefined;
    });
    if (set.unmaps.length > 0) {
      const { generation, snapshot } = set;
      const maps = yield* this.ledger.unmappedInSlices();
      const restored = yield* this.#serve({ generation, snapshot, undo: true, unmaps: [], maps });
      for (const at of restored.missing ?? []) {
        result.add('missing', at);
      }
    }
  }
}
