import { aftermathOf } from './aftermath.js';
import type { ChangeSet, MapChange, Outcome, UnmapChange } from './change-set.js';
import type { DmaTarget } from './dma-target.js';
import { DmaError, DmaUnmapError, withContext, type TargetRange } from './errors.js';
import { Turn } from './event-loop.js';
import { Ledger } from './ledger.js';
import type { MemoryRange } from './memory-range.js';
import { Report } from './set-report.js';
import { run, type Steps } from './steps.js';
import { TargetCalls } from './target-calls.js';

/** What an attachment wants to know of, and to stop, while a long set is served. */
export interface Monitor {
  readonly signal: AbortSignal | undefined;
  /** Pages of all maps of a set that is going to be served. */
  readonly onBegin?: (pages: number) => void;
  /** Pages of a map that was served. */
  readonly onServed?: (pages: number) => void;
}

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
  monitor: Monitor | undefined = undefined;
  readonly #calls: TargetCalls;

  constructor(target: DmaTarget) {
    this.target = target;
    this.#calls = new TargetCalls(target);
  }

  get name(): string {
    return this.target.name;
  }

  /** One set at a time: the next one when this one is answered. */
  serve(set: ChangeSet): Outcome | Promise<Outcome> {
    return run(this.#serve(set));
  }

  *#serve(set: ChangeSet): Steps<Outcome> {
    const report = new Report();
    this.ledger.begin(set);
    if (set.unmaps.length > 0) {
      yield* this.target.unmapDmaBatch !== undefined && set.unmaps.length > 1
        ? this.#unmapTogether(set, report)
        : this.#unmapOneByOne(set, report);
    }
    this.monitor?.onBegin?.(set.maps.reduce((sum, { range }) => sum + pagesOf(range), 0));
    if (set.maps.length > 0) {
      const mapped: MapChange[] = [];
      const failed =
        (this.target.checkMaps !== undefined && !set.undo && (yield* this.#isMisfit(set, report))) ||
        (yield* this.target.mapDmaBatch !== undefined && set.maps.length > 1
          ? this.#mapTogether(set, report, mapped)
          : this.#mapOneByOne(set, report, mapped));
      if (failed) {
        yield* this.#undo(set, mapped, report);
      }
    }
    return report.outcome(set.generation, this.name);
  }

  *#unmapOneByOne(set: ChangeSet, report: Report): Steps<void> {
    const turn = new Turn();
    for (const unmap of set.unmaps) {
      const change = this.ledger.takeOne(unmap, set);
      if (change === undefined) {
        for (const call of this.#callsOf(unmap, set)) {
          const answer = this.#calls.unmap(call.range);
          this.#noteUnmap(call, yield* this.#calls.settled(answer, call), set, report);
        }
      } else {
        const range = this.target.unmapShape === 'exact' ? change.range : unmap.range;
        const answer = this.#calls.unmap(range);
        if (answer !== undefined) {
          const error = yield* this.#calls.settled(answer, { range });
          if (error !== undefined) {
            this.#stick(change, error, set, report);
          }
        }
      }
      const pause = turn.pause();
      if (pause !== undefined) {
        yield pause;
      }
    }
  }

  *#unmapTogether(set: ChangeSet, report: Report): Steps<void> {
    const calls = set.unmaps.flatMap((unmap) => this.#callsOf(unmap, set));
    yield* this.#endEach(calls, (call, error) => {
      this.#noteUnmap(call, error, set, report);
    });
  }

  /** The calls that end what the target holds of the maps that the change covers; none where it holds none. */
  #callsOf(unmap: UnmapChange, set: ChangeSet): readonly UnmapCall[] {
    const held = this.ledger.take(unmap.covers, set);
    if (held.length === 0) {
      return NO_CALLS;
    }
    // One call over the whole range could cut what is stuck, or bring it down by accident.
    const whole = this.target.unmapShape !== 'exact' && !this.ledger.stuckIn(unmap.range);
    return whole
      ? [{ range: unmap.range, ends: held }]
      : held.map((change) => ({ range: change.range, ends: [change] }));
  }

  #noteUnmap({ ends }: UnmapCall, error: DmaError | undefined, set: ChangeSet, report: Report): void {
    for (const change of ends) {
      if (error === undefined || !this.#stick(change, error, set, report)) {
        this.ledger.unstuck(change.range);
        if (set.undo) {
          report.add('undone', this.#located(change));
        }
      }
    }
  }

  /** Notes that an unmap failed, and whether it left this mapping in place. */
  #stick(change: MapChange, error: DmaError, set: ChangeSet, report: Report): boolean {
    report.error ??= error;
    if (!isStillHeld(change, error)) {
      return false;
    }
    this.ledger.stick(change, set.generation);
    report.add('stuck', this.#located(change));
    return true;
  }

  /** Lets the target look at a forward set before its first map. Returns whether it finds that the set does not fit. */
  *#isMisfit({ maps }: ChangeSet, report: Report): Steps<boolean> {
    const misfit = yield* this.#calls.check(maps);
    if (misfit === undefined) {
      return false;
    }
    const row = maps.find(({ range }) => misfit.range?.equals(range));
    report.error = misfit;
    report.failedAt = row === undefined ? undefined : { target: this.name, region: row.region, range: row.range };
    return true;
  }

  /** Returns whether a map failed that ends the set. */
  *#mapOneByOne(set: ChangeSet, report: Report, mapped: MapChange[]): Steps<boolean> {
    const turn = new Turn();
    for (const change of set.maps) {
      if (set.undo && !this.#isToRestore(change)) {
        continue;
      }
      let error = this.#obstacle(change);
      if (error === undefined && this.ledger.hasStuck) {
        error = yield* this.#clearStuck(change, set);
      }
      if (error === undefined) {
        const answer = this.#calls.map(change);
        error = answer === undefined ? undefined : yield* this.#calls.settled(answer, change);
      }
      if (error === undefined) {
        this.#noteMap(change, set, mapped);
      } else if (this.#noteFailure(change, error, set, report)) {
        return true;
      }
      const pause = turn.pause();
      if (pause !== undefined) {
        yield pause;
      }
    }
    return false;
  }

  /** As `#mapOneByOne`, handing over as many maps together as need no special care. */
  *#mapTogether(set: ChangeSet, report: Report, mapped: MapChange[]): Steps<boolean> {
    const maps = set.undo ? set.maps.filter((change) => this.#isToRestore(change)) : set.maps;
    for (let next = 0; next < maps.length;) {
      const first = maps[next] as MapChange;
      let error = this.#obstacle(first);
      if (error === undefined && this.ledger.hasStuck) {
        error = yield* this.#clearStuck(first, set);
      }
      if (error === undefined) {
        const slice = this.#slice(maps, next);
        const result = yield* this.#calls.mapTogether(slice);
        for (let index = 0; index < result.done; index++) {
          this.#noteMap(slice[index] as MapChange, set, mapped);
        }
        next += result.done;
        error = result.error;
      }
      if (error !== undefined) {
        if (this.#noteFailure(maps[next] as MapChange, error, set, report)) {
          return true;
        }
        next += 1;
      }
    }
    return false;
  }

  /** The maps from this one on that can be handed over together. */
  #slice(maps: readonly MapChange[], first: number): readonly MapChange[] {
    if (this.ledger.hasStuck) {
      return maps.slice(first, first + 1); // Each one has to be looked at.
    }
    const end = first + this.#calls.together(maps, first);
    let last = first + 1;
    while (last < end && this.#obstacle(maps[last] as MapChange) === undefined) {
      last += 1;
    }
    return first === 0 && last === maps.length ? maps : maps.slice(first, last);
  }

  /** Whether an inverse set has to map this: it was taken, or is missing, and is not still there because its unmap had failed. */
  #isToRestore(change: MapChange): boolean {
    return this.ledger.wants(change) && !this.ledger.unstick(change);
  }

  #noteMap(change: MapChange, set: ChangeSet, mapped: MapChange[]): void {
    if (set.undo) {
      this.ledger.restore(change);
    } else {
      this.ledger.hold(change);
    }
    mapped.push(change);
    this.monitor?.onServed?.(pagesOf(change.range));
  }

  /** Returns whether the failure ends the set. */
  #noteFailure(change: MapChange, error: DmaError, set: ChangeSet, report: Report): boolean {
    if (set.undo) {
      report.error ??= error;
      report.add('missing', this.#located(change));
      this.ledger.miss(change);
      return false;
    }
    if (change.type === 'device' && !this.#isAborted) {
      report.skip(withContext(error, { target: this.name, region: change.region, range: change.range }));
      this.monitor?.onServed?.(pagesOf(change.range));
      return false;
    }
    report.error = error;
    report.failedAt = { target: this.name, region: change.region, range: change.range };
    return true;
  }

  /** Tries again to unmap one mapping that is stuck. Returns why it is stuck still. */
  *unmapStuck(mapping: MapChange, generation: number): Steps<DmaError | undefined> {
    const error = yield* this.#calls.settled(this.#calls.unmap(mapping.range), { range: mapping.range });
    if (error === undefined) {
      this.ledger.forgetStuck(mapping.range);
    } else {
      this.ledger.stickAgain(mapping, generation);
    }
    return error;
  }

  /** Tries again what is stuck where a map is to go; not twice for one command. */
  *#clearStuck(change: MapChange, set: ChangeSet): Steps<DmaError | undefined> {
    for (const { range, mapping, triedAgainIn } of this.ledger.stuckOver(change.range)) {
      let cause: DmaError | undefined;
      if (triedAgainIn !== set.generation || set.undo === true) {
        cause = yield* this.unmapStuck(mapping, set.generation);
        if (cause === undefined) {
          continue;
        }
      }
      return new DmaError(`${range.toString()} is still mapped, because its unmap failed`, {
        code: 'ERR_RANGE_STUCK',
        target: this.name,
        region: change.region,
        range: change.range,
        hint: 'cure what made the unmap fail, then call retryStuck() of the attachment',
        ...(cause === undefined ? {} : { cause }),
      });
    }
    return undefined;
  }

  /** Takes back what a set did before it failed: its maps, newest first, then its unmaps. */
  *#undo(set: ChangeSet, mapped: readonly MapChange[], report: Report): Steps<void> {
    yield* this.#endEach(mapped.toReversed(), (change, error) => {
      this.ledger.drop(change);
      if (error === undefined) {
        report.add('undone', this.#located(change));
      } else {
        this.ledger.stick(change, set.generation);
        report.add('stuck', this.#located(change));
      }
    });
    if (set.unmaps.length > 0) {
      const restored = yield* this.#serve({ ...set, undo: true, unmaps: [], maps: this.ledger.taken() });
      for (const at of aftermathOf(restored).missing ?? []) {
        report.add('missing', at);
      }
    }
  }

  /** Unmaps each of these ranges, past failures, together where the target takes them so. Tells of each, in order. */
  *#endEach<T extends { readonly range: MemoryRange }>(
    items: readonly T[],
    tell: (item: T, error: DmaError | undefined) => void,
  ): Steps<void> {
    const turn = new Turn();
    for (let next = 0; next < items.length;) {
      const count = this.target.unmapDmaBatch === undefined ? 1 : this.#calls.together(items, next);
      const { done, error } = yield* this.#calls.unmapTogether(items.slice(next, next + count));
      for (let index = 0; index < done; index++) {
        tell(items[next + index] as T, undefined);
      }
      next += done;
      if (error !== undefined) {
        tell(items[next] as T, error);
        next += 1;
      }
      const pause = turn.pause();
      if (pause !== undefined) {
        yield pause;
      }
    }
  }

  #located({ range }: MapChange): TargetRange {
    return { target: this.name, range };
  }

  get #isAborted(): boolean {
    return this.monitor?.signal?.aborted === true;
  }

  /** Why the target need not even be asked. */
  #obstacle(change: MapChange): DmaError | undefined {
    if (this.#isAborted) {
      return new DmaError('the attach was aborted', {
        code: ABORTED,
        target: this.name,
        range: change.range,
        cause: this.monitor?.signal?.reason,
      });
    }
    return this.#calls.obstacle(change);
  }
}

/** A call of the target, and the maps that it ends. */
interface UnmapCall {
  readonly range: MemoryRange;
  readonly ends: readonly MapChange[];
}

const NO_CALLS: readonly UnmapCall[] = [];

function pagesOf({ startPage, endPage }: MemoryRange): number {
  return endPage - startPage;
}

/** The code of Node's own abort errors. */
export const ABORTED = 'ABORT_ERR';

/** A target that knows which of several maps it could not unmap says so. */
function isStillHeld({ range }: MapChange, error: DmaError): boolean {
  return !(error instanceof DmaUnmapError) || error.stuck.some((one) => one.range.equals(range));
}
