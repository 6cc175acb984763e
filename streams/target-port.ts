import { aftermathOf } from './aftermath.js';
import type { ChangeSet, MapChange, Outcome } from './change-set.js';
import { CommandSet, hasUnmaps } from './command-set.js';
import type { DmaTarget } from './dma-target.js';
import type { DmaError } from './errors.js';
import { Ledger } from './ledger.js';
import { Report } from './set-report.js';
import { run, type Steps } from './steps.js';
import { TargetCalls } from './target-calls.js';
import { TargetMaps, type Monitor } from './target-maps.js';
import { TargetUnmaps } from './target-unmaps.js';

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
  readonly #unmaps: TargetUnmaps;
  readonly #maps: TargetMaps;

  constructor(target: DmaTarget) {
    this.target = target;
    const calls = new TargetCalls(target);
    this.#unmaps = new TargetUnmaps(calls, this.ledger);
    this.#maps = new TargetMaps(calls, this.ledger, this.#unmaps);
  }

  get name(): string {
    return this.target.name;
  }

  /** Who watches, and may abort, what is served. */
  set monitor(monitor: Monitor | undefined) {
    this.#maps.monitor = monitor;
  }

  /** One set at a time: the next one when this one is answered. */
  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    return run(this.#serve(set));
  }

  *#serve(set: ChangeSet): Steps<Outcome> {
    const report = new Report();
    const following = this.ledger.follow(set);
    if (following === undefined) {
      this.ledger.begin(set);
    }
    if (hasUnmaps(set)) {
      yield* following !== undefined && set instanceof CommandSet
        ? this.#unmaps.serveFollowed(set, following, report)
        : this.#unmaps.serve(set, report);
    }
    if (set.maps.length > 0) {
      const mapped = yield* this.#maps.serve(set, following, report);
      if (mapped !== undefined) {
        yield* this.#undo(set, mapped, report);
      }
    }
    if (following !== undefined) {
      this.ledger.followed();
    }
    return report.outcome(set.generation, this.name);
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
    });
    if (hasUnmaps(set)) {
      const { generation, snapshot } = set;
      const restored = yield* this.#serve({ generation, snapshot, undo: true, unmaps: [], maps: this.ledger.taken() });
      for (const at of aftermathOf(restored).missing ?? []) {
        report.add('missing', at);
      }
    }
  }
}
