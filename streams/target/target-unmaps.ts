import type { SetResult } from '../changes/outcomes.js';
import type { ChangeSet, MapChange, UnmapChange } from '../contracts/change-set.js';
import { DmaUnmapError, type DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { eachInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { LONG_STEP, pauseIfOver } from '../util/time-slice.js';
import type { Ledger } from './ledger.js';
import type { Answer, TargetCalls } from './target-calls.js';

/** A mapping that a call of its own unmaps, or a call that unmaps several. */
type UnmapCall = MapChange | { readonly range: MemoryRange; readonly ends: readonly MapChange[] };

/** Serves the unmaps of one target, to the end, past failures. A failed unmap leaves its mappings stuck. */
export class TargetUnmaps {
  readonly #calls: TargetCalls;
  readonly #ledger: Ledger;

  constructor(calls: TargetCalls, ledger: Ledger) {
    this.#calls = calls;
    this.#ledger = ledger;
  }

  /** Serves the unmaps of a set: together if the target takes batches, else one by one. */
  *serve(set: ChangeSet, result: SetResult): Coroutine<void> {
    const { target } = this.#calls;
    const { unmaps } = set;
    const each = target.unmapShape === 'exact';
    if (target.unmapDmaBatch !== undefined && (unmaps.length > 1 || (each && (unmaps[0]?.covers.length ?? 0) > 1))) {
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
        yield* this.#unmapCovers(unmap, each, set, result);
      }
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
  }

  /** As `serve`, for one unmap that removes several mappings. */
  *#unmapCovers(unmap: UnmapChange, each: boolean, set: ChangeSet, result: SetResult): Coroutine<void> {
    for (const call of yield* this.#callsOf([unmap], each)) {
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
  }

  /** As `serve`, in batches. */
  *#serveTogether(set: ChangeSet, each: boolean, result: SetResult): Coroutine<void> {
    const calls = this.#ledger.takeEach(set, each) ?? (yield* this.#callsOf(set.unmaps, each));
    for (let next = 0; next < calls.length;) {
      const count = this.#calls.batchLength(calls, next);
      const batch = count === calls.length ? calls : calls.slice(next, next + count);
      const answer = this.#calls.unmapBatch(batch);
      const failed = answer === undefined ? undefined : yield* this.#calls.failureOf(answer, batch);
      const end = next + (failed === undefined ? count : failed.done);
      if (this.#ledger.recordsUnmaps) {
        for (; next < end; next++) {
          yield* this.#record(calls[next] as UnmapCall, undefined, set, result);
        }
      }
      next = end;
      if (failed !== undefined) {
        yield* this.#record(calls[next] as UnmapCall, failed.error, set, result);
        next += 1;
      }
      const pause = next < calls.length ? pauseIfOver(LONG_STEP) : undefined;
      if (pause !== undefined) {
        yield pause;
      }
    }
  }

  *#callsOf(unmaps: readonly UnmapChange[], each: boolean): Coroutine<readonly UnmapCall[]> {
    const calls: UnmapCall[] = [];
    for (const unmap of unmaps) {
      const taking = this.#appendCalls(unmap, each, calls);
      if (taking !== undefined) {
        yield* taking;
      }
      const pause = pauseIfOver(unmap.covers.length);
      if (pause !== undefined) {
        yield pause;
      }
    }
    return calls;
  }

  /**
   * Takes the mappings of an unmap out of the ledger, and appends the calls that unmap them.
   *
   * @param each whether each mapping needs a call of its own
   * @returns a coroutine if that may take long
   */
  #appendCalls(unmap: UnmapChange, each: boolean, calls: UnmapCall[]): Coroutine<void> | undefined {
    return each || isOfOne(unmap)
      ? this.#ledger.takeForUnmap(unmap.covers, calls as MapChange[])
      : this.#appendWhole(unmap, calls);
  }

  *#appendWhole({ covers, range }: UnmapChange, calls: UnmapCall[]): Coroutine<void> {
    const taken: MapChange[] = [];
    const taking = this.#ledger.takeForUnmap(covers, taken);
    if (taking !== undefined) {
      yield* taking;
    }
    // One call over the whole range would also unmap, or cut, what is stuck in it.
    if (this.#ledger.hasStuck && this.#ledger.stuck.overlaps(range)) {
      yield* eachInSlices(taken, (mapping) => {
        calls.push(mapping);
      });
    } else if (taken.length > 0) {
      calls.push({ range, ends: taken });
    }
  }

  /** Unmaps one stuck mapping again. Returns the error if it is still stuck. */
  *unmapStuck(mapping: MapChange, generation: number): Coroutine<DmaError | undefined> {
    const { range } = mapping;
    const error = yield* this.#calls.errorOf(this.#calls.unmap(range), { range });
    if (error === undefined) {
      this.#ledger.stuck.remove(range);
    } else {
      this.#ledger.stuck.addAgain(mapping, generation);
    }
    return error;
  }

  /** Records the answer to a call for each of its mappings. */
  *#record(call: UnmapCall, error: DmaError | undefined, set: ChangeSet, result: SetResult): Coroutine<void> {
    const mappings = 'ends' in call ? call.ends : [call];
    result.error ??= error;
    if (error !== undefined) {
      yield* this.#ledger.materialize();
    }
    const isStillHeld = error === undefined ? undefined : yield* stillHeldAfter(error, mappings.length);
    yield* eachInSlices(mappings, (change) => {
      const at = { target: this.#calls.target.name, range: change.range };
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
  return covers.length === 1 && covers[0]?.equals(range) === true;
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
