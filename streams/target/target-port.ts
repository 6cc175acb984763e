import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { CommandSet, hasUnmaps } from '../changes/managed-set.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import type { DmaError } from '../contracts/errors.js';
import type { Following } from './derived-account.js';
import { Ledger } from './ledger.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { Report } from '../changes/set-report.js';
import { run, type Steps } from '../util/coroutine.js';
import type { Monitor } from './monitor.js';
import { TargetCalls } from './target-calls.js';
import { TargetMaps, type MapHalt } from './target-maps.js';
import { TargetUnmaps, type UnmapHalt } from './target-unmaps.js';

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
    const following = this.ledger.follow(set);
    if (following === undefined || !(set instanceof CommandSet)) {
      return run(this.#serve(set));
    }
    // As far as it goes without waiting: most sets, to their end.
    const unmapHalt = set.departures.length > 0 ? this.#unmaps.begin(set, following) : undefined;
    const mapHalt = unmapHalt === undefined && set.maps.length > 0 ? this.#maps.begin(set, following) : undefined;
    if (unmapHalt === undefined && mapHalt === undefined) {
      this.ledger.followed();
      return new Report().outcome(set.generation, this.name);
    }
    return run(this.#follow(set, following, unmapHalt, mapHalt));
  }

  *#follow(
    set: CommandSet,
    following: Following,
    unmapHalt: UnmapHalt | undefined,
    mapHalt: MapHalt | undefined,
  ): Steps<Outcome> {
    const report = new Report();
    if (unmapHalt !== undefined) {
      yield* this.#unmaps.goOn(unmapHalt, set, following, report);
    }
    const halt =
      mapHalt ??
      (set.maps.length > 0 ? this.#maps.begin(set, this.ledger.isFollowed ? following : undefined) : undefined);
    yield* this.#finishMaps(halt, set, report);
    this.ledger.followed();
    return report.outcome(set.generation, this.name);
  }

  *#serve(set: ChangeSet): Steps<Outcome> {
    const report = new Report();
    yield* this.ledger.begin(set);
    if (hasUnmaps(set)) {
      yield* this.#unmaps.serve(set, report);
    }
    yield* this.#finishMaps(set.maps.length > 0 ? this.#maps.begin(set, undefined) : undefined, set, report);
    return report.outcome(set.generation, this.name);
  }

  *#finishMaps(halt: MapHalt | undefined, set: ChangeSet, report: Report): Steps<void> {
    const mapped = halt === undefined ? undefined : yield* this.#maps.goOn(halt, set, report);
    if (mapped !== undefined) {
      yield* this.#undo(set, mapped, report);
    }
  }

  /** Tries again to unmap one mapping that is stuck. Returns why it is stuck still. */
  unmapStuck(mapping: MapChange, generation: number): Steps<DmaError | undefined> {
    return this.#unmaps.unmapStuck(mapping, generation);
  }

  /** Takes back what a set did before it failed: its maps, newest first, then its unmaps. */
  *#undo(set: ChangeSet, mapped: readonly MapChange[], report: Report): Steps<void> {
    yield* this.#unmaps.endEach(mapped.toReversed(), (change, error) => {
      this.ledger.drop(change);
      const at = { target: this.name, range: change.range };
      if (error === undefined) {
        report.add('undone', at);
      } else {
        this.ledger.stick(change, set.generation);
        report.add('stuck', at);
      }
      return undefined;
    });
    if (hasUnmaps(set)) {
      const { generation, snapshot } = set;
      const maps = yield* this.ledger.takenInSlices();
      const restored = yield* this.#serve({ generation, snapshot, undo: true, unmaps: [], maps });
      for (const at of restored.missing ?? []) {
        report.add('missing', at);
      }
    }
  }
}
