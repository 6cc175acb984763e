import type { BatchStop, DmaMapRequest } from '../contracts/dma-target.js';
import { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { isPromiseLike, type Coroutine } from '../util/coroutine.js';
import { toAnswer } from './answers.js';
import type { About, Answer, TargetCalls } from './target-calls.js';

/** The answer to a batch: `undefined` when all of its calls have succeeded. */
export type BatchAnswer = undefined | FailedBatch | PromiseLike<unknown>;

/** A batch that has stopped: the number of its calls that took effect, and the error of the next one. */
export interface FailedBatch {
  readonly done: number;
  readonly error: DmaError;
}

/** Makes the calls of one target that map or unmap several ranges. */
export class BatchCalls {
  readonly #calls: TargetCalls;

  constructor(calls: TargetCalls) {
    this.#calls = calls;
  }

  /** Makes several maps by one call of `mapDmaBatch`, which the target has; a single one by `mapDma`. */
  mapBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
    if (requests.length === 1) {
      return failedFirst(this.#calls.map(requests[0] as DmaMapRequest));
    }
    try {
      const returned: unknown = this.#calls.callee.mapDmaBatch?.(requests);
      return returned === undefined ? undefined : this.#batchAnswerOf(toAnswer(returned, this.#calls.signal), requests);
    } catch (thrown) {
      return { done: 0, error: this.#calls.toError(thrown, requests[0]) };
    }
  }

  /** Unmaps these ranges, as `mapBatch` maps. */
  unmapBatch(items: readonly About[]): BatchAnswer {
    if (items.length === 1) {
      return failedFirst(this.#calls.unmap((items[0] as About).range));
    }
    try {
      const returned: unknown = this.#calls.callee.unmapDmaBatch?.(items.map(rangeOf));
      return returned === undefined ? undefined : this.#batchAnswerOf(toAnswer(returned), items);
    } catch (thrown) {
      return { done: 0, error: this.#calls.toError(thrown, items[0]) };
    }
  }

  /** Waits for the answer to a batch. Returns `undefined` when all of its calls have succeeded. */
  *failureOf(answer: BatchAnswer, items: readonly About[]): Coroutine<FailedBatch | undefined> {
    try {
      if (!isPromiseLike(answer)) {
        return answer;
      }
      const stop: unknown = yield this.#calls.open.wait(answer);
      return items.length === 1 ? undefined : this.#stopOf(stop, items); // A single call has no result.
    } catch (thrown) {
      return { done: 0, error: this.#calls.toError(thrown, items[0]) };
    }
  }

  #batchAnswerOf(answer: unknown, items: readonly About[]): BatchAnswer {
    return isPromiseLike(answer) ? answer : this.#stopOf(answer, items);
  }

  /** What a batch has returned, checked. */
  #stopOf(stop: unknown, items: readonly About[]): FailedBatch | undefined {
    const stopped = stopOf(stop, items.length, this.#calls.name);
    return stopped === undefined
      ? undefined
      : { done: stopped.done, error: this.#calls.toError(stopped.error, items[stopped.done]) };
  }
}

/** The answer to a single call, as that to a batch. */
function failedFirst(answer: Answer): BatchAnswer {
  return answer instanceof DmaError ? { done: 0, error: answer } : answer;
}

function rangeOf({ range }: About): MemoryRange {
  return range;
}

/**
 * Where a batch has stopped, by what it returned; `undefined` when all of its calls took effect. An invalid result counts as
 * a failure of the first one.
 */
export function stopOf(returned: unknown, length: number, target: string): BatchStop | undefined {
  if (typeof returned !== 'object' || returned === null) {
    return undefined;
  }
  const { done } = returned as BatchStop;
  if (Number.isInteger(done) && done >= 0 && done < length) {
    return returned as BatchStop;
  }
  const error = new DmaError('the target returned an invalid result of a batch', {
    code: 'ERR_TARGET_FAILED',
    target,
    hint: 'a batch returns nothing when all of it took effect, else { done, error }: how many did, and why the next one did not',
  });
  return { done: 0, error };
}
