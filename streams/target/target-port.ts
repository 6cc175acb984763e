import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { ManagedSet, hasUnmaps } from '../changes/managed-set.js';
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
 * One target's place in the stream: serves change sets by calls of the target, one call after another, and keeps the ledger of
 * what the target holds.
 *
 * A forward set stops at the first RAM map that fails, and what it did is undone, newest first. An inverse set (`undo`) is served
 * to its end, past failures. A device map that fails is skipped. Unmaps are served to the end in any set; one that fails leaves
 * its maps stuck. A long set of short calls lets the event loop go on now and then.
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

  /** Who watches, and may abort, what is served. */
  set monitor(monitor: Monitor | undefined) {
    this.#maps.monitor = monitor;
    this.#calls.signal = monitor?.signal;
  }

  /** Whether the target may be using the host address of the mapping at exactly this range, which has left the view. */
  usesVa(range: MemoryRange): boolean {
    const mapping = this.ledger.at(range);
    return mapping !== undefined && (mapping.hostVa !== undefined || this.target.needsVa === true);
  }

  /** One set at a time: the next one when this one is answered. */
  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    const derived = this.ledger.derive(set);
    if (derived === undefined || !(set instanceof ManagedSet)) {
      return run(this.#serve(set));
    }
    // As far as it goes without waiting: most sets, to their end.
    const unmapPause = set.regionUnmaps.length > 0 ? this.#unmaps.begin(set, derived) : undefined;
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
    const stopped =
      mapPause ??
      (set.maps.length > 0 ? this.#maps.begin(set, this.ledger.isDerived ? derived : undefined) : undefined);
    yield* this.#finishMaps(stopped, set, result);
    this.ledger.endDerived();
    return result.outcome(set.generation, this.name);
  }

  *#serve(set: ChangeSet): Coroutine<Outcome> {
    const result = new SetResult();
    yield* this.ledger.begin(set);
    if (hasUnmaps(set)) {
      yield* this.#unmaps.serve(set, result);
    }
    yield* this.#finishMaps(set.maps.length > 0 ? this.#maps.begin(set, undefined) : undefined, set, result);
    return result.outcome(set.generation, this.name);
  }

  *#finishMaps(stopped: MapPause | undefined, set: ChangeSet, result: SetResult): Coroutine<void> {
    const mapped = stopped === undefined ? undefined : yield* this.#maps.resume(stopped, set, result);
    if (mapped !== undefined) {
      yield* this.#undo(set, mapped, result);
    }
  }

  /** Tries again to unmap one mapping that is stuck. Returns why it is stuck still. */
  unmapStuck(mapping: MapChange, generation: number): Coroutine<DmaError | undefined> {
    return this.#unmaps.unmapStuck(mapping, generation);
  }

  /** Takes back what a set did before it failed: its maps, newest first, then its unmaps. */
  *#undo(set: ChangeSet, mapped: readonly MapChange[], result: SetResult): Coroutine<void> {
    yield* this.#unmaps.endEach(mapped.toReversed(), (change, error) => {
      this.ledger.forget(change);
      const at = { target: this.name, range: change.range };
      if (error === undefined) {
        result.add('undone', at);
      } else {
        this.ledger.markStuck(change, set.generation);
        result.add('stuck', at);
      }
      return undefined;
    });
    if (hasUnmaps(set)) {
      const { generation, snapshot } = set;
      const maps = yield* this.ledger.unmappedInSlices();
      const restored = yield* this.#serve({ generation, snapshot, undo: true, unmaps: [], maps });
      for (const at of restored.missing ?? []) {
        result.add('missing', at);
      }
    }
  }
}
