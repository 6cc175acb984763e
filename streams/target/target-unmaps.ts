import type { SetResult } from '../changes/outcomes.js';
import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { DmaUnmapError, type DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices, joinInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import { BatchCalls } from './batch-calls.js';
import { batchLength } from './batch-length.js';
import type { Ledger } from './ledger.js';
import type { Answer, TargetCalls } from './target-calls.js';
import { markUnderWay } from './under-way.js';

/** A mapping that a call of its own unmaps, or a call that unmaps several. */
type UnmapCall = MapChange | { readonly range: MemoryRange; readonly ends: readonly MapChange[] };

/** Serves the unmaps of one target, to the end, past failures. A failed unmap leaves its mappings stuck. */
export class TargetUnmaps {
  readonly #calls: TargetCalls;
  readonly #batches: BatchCalls;
  readonly #ledger: Ledger;

  constructor(calls: TargetCalls, ledger: Ledger) {
    this.#calls = calls;
    this.#batches = new BatchCalls(calls);
    this.#ledger = ledger;
  }

  /** Serves the unmaps of a set: together if the target takes batches, else one by one. */
  *serve(set: ChangeSet, result: SetResult): Coroutine<void> {
    const { unmaps } = set;
    const each = this.#calls.isExact;
    if (this.#calls.has('unmapDmaBatch') && (unmaps.length > 1 || (each && (unmaps[0]?.covers.length ?? 0) > 1))) {
      yield* this.#serveTogether(set, each, result);
      return;
    }
    for (const unmap of unmaps) {
      if (isOfOne(unmap)) {
        const mapping = this.#ledger.take(unmap.range);
        const unmapping = mapping === undefined ? undefined : this.#unmap(mapping, set, result);
        if (unmapping !== undefined) {
          yield* unmapping;
        }
      } else {
        const taken = this.#ledger.takeCounted(unmap.covers.length) ?? (yield* this.#ledger.takeListed(unmap.covers));
        for (const call of this.#callsFor(unmap, taken, each)) {
          const unmapping = this.#unmap(call, set, result);
          if (unmapping !== undefined) {
            yield* unmapping;
          }
          const pause = pauseIfOver();
          if (pause !== undefined) {
            yield pause;
          }
        }
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
  }

  /** Makes a call. Returns a coroutine if it is not answered yet, or its answer has to be recorded. */
  #unmap(call: UnmapCall, set: ChangeSet, result: SetResult): Coroutine<void> | undefined {
    const answer = this.#calls.unmap(call.range);
    return answer === undefined && !this.#ledger.recordsUnmaps ? undefined : this.#finish(call, answer, set, result);
  }

  *#finish(call: UnmapCall, answer: Answer, set: ChangeSet, result: SetResult): Coroutine<void> {
    const error = answer === undefined ? undefined : yield* this.#calls.errorOf(answer, { range: call.range });
    if (error !== undefined || this.#ledger.recordsUnmaps) {
      yield* this.#record(call, error, set, result);
    }
    yield* this.#noteLate([call], error);
  }

  /** As `serve`, in batches. */
  *#serveTogether(set: ChangeSet, each: boolean, result: SetResult): Coroutine<void> {
    const calls = this.#ledger.takeEach(set, each) ?? (yield* this.#callsOf(set.unmaps, each));
    for (let next = 0; next < calls.length;) {
      const count = batchLength(this.#calls, calls, next);
      const batch = count === calls.length ? calls : calls.slice(next, next + count);
      const answer = this.#batches.unmapBatch(batch);
      const failed = answer === undefined ? undefined : yield* this.#batches.failureOf(answer, batch);
      const end = next + (failed === undefined ? count : failed.done);
      if (this.#ledger.recordsUnmaps) {
        for (; next < end; next++) {
          yield* this.#record(calls[next] as UnmapCall, undefined, set, result);
        }
      }
      next = end;
      if (failed !== undefined) {
        const late = this.#calls.open.lateAnswer(failed.error);
        const stopped = late === undefined ? next + 1 : end + batch.length;
        for (; next < stopped; next++) {
          yield* this.#record(calls[next] as UnmapCall, failed.error, set, result);
        }
        yield* this.#noteLate(batch, failed.error);
      }
      const pause = next < calls.length ? pauseIfOver(LONG_STEP) : undefined;
      if (pause !== undefined) {
        yield pause;
      }
    }
  }

  /** Takes the mappings of all unmaps out of the ledger. Returns the calls that unmap them, in order. */
  *#callsOf(unmaps: readonly UnmapChange[], each: boolean): Coroutine<readonly UnmapCall[]> {
    const calls: (readonly UnmapCall[])[] = [];
    for (const unmap of unmaps) {
      const { covers } = unmap;
      const taken = this.#ledger.takeCounted(covers.length) ?? (yield* this.#ledger.takeListed(covers));
      calls.push(this.#callsFor(unmap, taken, each));
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
    return yield* joinInSlices(calls);
  }

  /**
   * The calls for an unmap.
   *
   * @param taken its mappings that the target holds
   * @param each whether each mapping needs a call of its own
   */
  #callsFor(unmap: UnmapChange, taken: readonly MapChange[], each: boolean): readonly UnmapCall[] {
    const { range } = unmap;
    // One call over the whole range would also unmap, or cut, what is stuck in it.
    return each || taken.length === 0 || isOfOne(unmap) || (this.#ledger.hasStuck && this.#ledger.stuck.overlaps(range))
      ? taken
      : [{ range, ends: taken }];
  }

  /** Unmaps one stuck mapping again. Returns the error if it is still stuck. */
  *unmapStuck(mapping: MapChange, generation: number): Coroutine<DmaError | undefined> {
    const { range } = mapping;
    if (this.#ledger.stuck.removeReleased(range)) {
      return undefined;
    }
    const error = yield* this.#calls.errorOf(this.#calls.unmap(range), { range });
    if (this.#calls.gone !== undefined) {
      return error;
    }
    if (error === undefined) {
      this.#ledger.stuck.remove(range);
    } else {
      this.#ledger.stuck.addAgain(mapping, generation);
    }
    return error;
  }

  /** Whether the target holds the mappings of a call that timed out is not known until it ends. */
  *#noteLate(calls: readonly UnmapCall[], error: DmaError | undefined): Coroutine<void> {
    const late = this.#calls.open.lateAnswer(error);
    if (late !== undefined && this.#calls.gone === undefined) {
      yield* markUnderWay(this.#ledger, calls, 'unmap', late);
    }
  }

  /** Records the answer to a call for each of its mappings. */
  *#record(call: UnmapCall, error: DmaError | undefined, set: ChangeSet, result: SetResult): Coroutine<void> {
    const mappings = 'ends' in call ? call.ends : [call];
    result.error ??= error;
    if (this.#calls.gone !== undefined) {
      return;
    }
    if (error !== undefined) {
      yield* this.#ledger.materialize();
    }
    const isStillHeld = error === undefined ? undefined : yield* stillHeldAfter(error, mappings.length);
    yield* eachInSlices(mappings, (change) => {
      const at = { target: this.#calls.name, range: change.range };
      if (isStillHeld?.(change) === true) {
        this.#ledger.markStuck(change, set.generation);
        result.add('stuck', at);
        return;
      }
      this.#ledger.stuck.endRetry(change.range);
      if (set.undo) {
        result.add('undone', at);
      }
    });
  }
}

/** Whether an unmap removes one mapping, of its own range. */
function isOfOne({ range, covers }: UnmapChange): boolean {
  const [cover] = covers;
  return covers.length === 1 && (cover === range || cover?.equals(range) === true);
}

/**
 * A test which mappings of a failed call are still held. A `DmaUnmapError` names them; any other error means all of
 * them.
 *
 * @param count the number of mappings of the call
 */
function* stillHeldAfter(error: DmaError, count: number): Coroutine<(mapping: MapChange) => boolean> {
  if (!(error instanceof DmaUnmapError)) {
    return () => true;
  }
  const { stuck } = error;
  if (count === 1) {
    return ({ range }) => stuck.some((at) => at.range.equals(range));
  }
  const byStart = new Map<number, MemoryRange>();
  yield* eachInSlices(stuck, ({ range }) => {
    byStart.set(range.startPage, range);
  });
  return ({ range }) => byStart.get(range.startPage)?.equals(range) === true;
}
