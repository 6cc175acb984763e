import { aftermathOf, noteAftermath, type SetAftermath } from './aftermath.js';
import type { ChangeSet, MapChange, Outcome, UnmapChange } from './change-set.js';
import type { DmaMapRequest, DmaTarget } from './dma-target.js';
import { DmaError, DmaUnmapError, toDmaError, withContext, type TargetRange } from './errors.js';
import { Ledger } from './ledger.js';
import type { MemoryRange } from './memory-range.js';
import { isPromiseLike, run, type Steps } from './steps.js';

/** What an attachment wants to know of, and to stop, while a long set is served. */
export interface Monitor {
  readonly signal: AbortSignal | undefined;
  /** Bytes of all maps of a set that is going to be served. */
  readonly onBegin: (bytes: bigint) => void;
  /** Bytes of a map that was served. */
  readonly onServed: (bytes: bigint) => void;
}

/** Most sets skip nothing. */
const NONE: readonly DmaError[] = Object.freeze([]);

/** Collects what becomes of one set. */
class Report implements SetAftermath {
  error: DmaError | undefined = undefined;
  failedAt: SetAftermath['failedAt'] = undefined;
  skipped: readonly DmaError[] = NONE;
  declare undone?: TargetRange[];
  declare stuck?: TargetRange[];
  declare missing?: TargetRange[];

  add(what: 'undone' | 'stuck' | 'missing', at: TargetRange): void {
    (this[what] ??= []).push(at);
  }

  skip(error: DmaError): void {
    this.skipped = [...this.skipped, error];
  }

  outcome(generation: number, target: string): Outcome {
    const { skipped, error } = this;
    if (error === undefined) {
      const outcome: Outcome = { generation, target, status: 'applied', skipped };
      return this.undone === undefined ? outcome : noteAftermath(outcome, this);
    }
    return noteAftermath({ generation, target, status: 'failed', skipped, error }, this);
  }
}

/**
 * One target's place in the stream: serves change sets by calls of the target, one call after another, and keeps the ledger of
 * what the target holds.
 *
 * A forward set stops at the first RAM map that fails, and what it did is undone, newest first. An inverse set (`undo`) is served
 * to its end, past failures. A device map that fails is skipped. Unmaps are served to the end in any set; one that fails leaves
 * its maps stuck.
 */
export class TargetPort {
  readonly target: DmaTarget;
  readonly ledger = new Ledger();
  monitor: Monitor | undefined = undefined;

  constructor(target: DmaTarget) {
    this.target = target;
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
    for (const unmap of set.unmaps) {
      const change = this.ledger.takeOne(unmap, set);
      if (change === undefined) {
        yield* this.#unmap(unmap, set, report);
        continue;
      }
      const range = this.target.unmapShape === 'exact' ? change.range : unmap.range;
      const answer = this.#callUnmap(range);
      if (answer !== undefined) {
        const error = answer instanceof DmaError ? answer : yield* this.#late(answer, range);
        if (error !== undefined) {
          this.#stick(change, error, set, report);
        }
      }
    }
    if (this.monitor !== undefined) {
      this.monitor.onBegin(set.maps.reduce((sum, { range }) => sum + range.length, 0n));
    }
    const mapped: MapChange[] = [];
    const misfit =
      this.target.checkMaps === undefined || set.undo || set.maps.length === 0
        ? undefined
        : yield* this.#checkMaps(set.maps);
    if (misfit !== undefined) {
      const row = set.maps.find(({ range }) => misfit.range?.equals(range));
      report.error = misfit;
      report.failedAt = row === undefined ? undefined : { target: this.name, region: row.region, range: row.range };
      yield* this.#undo(set, mapped, report);
      return report.outcome(set.generation, this.name);
    }
    for (const change of set.maps) {
      if (set.undo && !this.ledger.wants(change)) {
        continue;
      }
      if (set.undo && this.ledger.unstick(change)) {
        continue;
      }
      let error = this.#obstacle(change);
      if (error === undefined && this.ledger.hasStuck) {
        error = yield* this.#clearStuck(change, set);
      }
      if (error === undefined) {
        try {
          const answer: unknown = this.target.mapDma(requestOf(change));
          if (isPromiseLike(answer)) {
            yield answer;
          }
        } catch (thrown) {
          error = this.#toError(thrown, change);
        }
      }
      if (error === undefined) {
        if (set.undo) {
          this.ledger.restore(change);
        } else {
          this.ledger.hold(change);
        }
        mapped.push(change);
        this.monitor?.onServed(change.range.length);
      } else if (set.undo) {
        report.error ??= error;
        report.add('missing', this.#located(change));
        this.ledger.miss(change);
      } else if (change.type === 'device' && !this.#isAborted) {
        report.skip(withContext(error, { target: this.name, region: change.region, range: change.range }));
        this.monitor?.onServed(change.range.length);
      } else {
        report.error = error;
        report.failedAt = { target: this.name, region: change.region, range: change.range };
        yield* this.#undo(set, mapped, report);
        break;
      }
    }
    return report.outcome(set.generation, this.name);
  }

  *#checkMaps(maps: readonly MapChange[]): Steps<DmaError | undefined> {
    try {
      const answer: unknown = this.target.checkMaps?.(
        maps.filter(({ refused }) => refused === undefined).map(requestOf),
      );
      if (isPromiseLike(answer)) {
        yield answer;
      }
      return undefined;
    } catch (thrown) {
      return toDmaError(thrown, { fallbackCode: 'ERR_TARGET_FAILED', target: this.name });
    }
  }

  /** Ends what the target holds of the maps that the change covers; nothing is called where it holds none. */
  *#unmap(unmap: UnmapChange, set: ChangeSet, report: Report): Steps<void> {
    const held = this.ledger.take(unmap.covers, set);
    if (held.length === 0) {
      return;
    }
    // One call over the whole range could cut what is stuck, or bring it down by accident.
    const whole = this.target.unmapShape !== 'exact' && !this.ledger.stuckIn(unmap.range);
    const calls = whole
      ? [{ range: unmap.range, ends: held }]
      : held.map((change) => ({ range: change.range, ends: [change] }));
    for (const { range, ends } of calls) {
      const error = yield* this.#end(range);
      for (const change of ends) {
        if (error === undefined || !this.#stick(change, error, set, report)) {
          this.ledger.unstuck(change.range);
          if (set.undo) {
            report.add('undone', this.#located(change));
          }
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

  /** Tries again to unmap one mapping that is stuck. Returns why it is stuck still. */
  *unmapStuck(mapping: MapChange, generation: number): Steps<DmaError | undefined> {
    const error = yield* this.#end(mapping.range);
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
    for (const change of mapped.toReversed()) {
      const error = yield* this.#end(change.range);
      this.ledger.drop(change);
      if (error === undefined) {
        report.add('undone', this.#located(change));
      } else {
        this.ledger.stick(change, set.generation);
        report.add('stuck', this.#located(change));
      }
    }
    if (set.unmaps.length > 0) {
      const restored = yield* this.#serve({ ...set, undo: true, unmaps: [], maps: this.ledger.taken() });
      for (const at of aftermathOf(restored).missing ?? []) {
        report.add('missing', at);
      }
    }
  }

  #located({ range }: MapChange): TargetRange {
    return { target: this.name, range };
  }

  *#end(range: MemoryRange): Steps<DmaError | undefined> {
    const answer = this.#callUnmap(range);
    return answer === undefined || answer instanceof DmaError ? answer : yield* this.#late(answer, range);
  }

  /** Why the unmap failed, or a promise to be waited for; `undefined` when it is done. */
  #callUnmap(range: MemoryRange): DmaError | PromiseLike<unknown> | undefined {
    try {
      const answer: unknown = this.target.unmapDma(range);
      return isPromiseLike(answer) ? answer : undefined;
    } catch (thrown) {
      return this.#unmapError(thrown, range);
    }
  }

  *#late(answer: PromiseLike<unknown>, range: MemoryRange): Steps<DmaError | undefined> {
    try {
      yield answer;
      return undefined;
    } catch (thrown) {
      return this.#unmapError(thrown, range);
    }
  }

  #unmapError(thrown: unknown, range: MemoryRange): DmaError {
    return toDmaError(thrown, { fallbackCode: 'ERR_TARGET_FAILED', target: this.name, range });
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
    if (change.refused !== undefined) {
      return change.refused;
    }
    if (this.target.needsVa === true && change.hostVa === undefined) {
      return this.#refuse(
        change,
        'ERR_NO_VA',
        'the target needs a host virtual address, and the map has none',
        NO_VA_HINT,
      );
    }
    if (this.target.needsFd === true && change.backing === 'private') {
      return this.#refuse(change, 'ERR_NO_FD', 'the target needs a file, and private memory has none', NO_FD_HINT);
    }
    return undefined;
  }

  #refuse(change: MapChange, code: string, message: string, hint: string): DmaError {
    return new DmaError(message, { code, target: this.name, region: change.region, range: change.range, hint });
  }

  #toError(thrown: unknown, { region, range }: MapChange): DmaError {
    return toDmaError(thrown, { fallbackCode: 'ERR_TARGET_FAILED', target: this.name, region, range });
  }
}

/** The code of Node's own abort errors. */
export const ABORTED = 'ABORT_ERR';

export const NO_FD_HINT = 'back the memory by a Memfd, or detach the target first';
const NO_VA_HINT = 'put ensureMapped(vaMapper) before toTarget(target) in the branch';

/** A target that knows which of several maps it could not unmap says so. */
function isStillHeld({ range }: MapChange, error: DmaError): boolean {
  return !(error instanceof DmaUnmapError) || error.stuck.some((one) => one.range.equals(range));
}

/** A map as its target is asked for it. */
export function requestOf(change: MapChange): DmaMapRequest {
  const { range, region, type, writable, backing, hostVa } = change;
  if (backing === 'private') {
    return hostVa === undefined
      ? { range, region, type, writable, fileOffset: 0n }
      : { range, region, type, writable, fileOffset: 0n, hostVa };
  }
  const { mappable, fileOffset } = backing;
  return hostVa === undefined
    ? { range, region, type, writable, mappable, fileOffset }
    : { range, region, type, writable, mappable, fileOffset, hostVa };
}
