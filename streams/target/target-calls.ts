import { toAnswer } from './answers.js';
import type { BatchStop, DmaMapRequest, DmaTarget } from '../contracts/dma-target.js';
import { DmaError, toDmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { OpenCall } from './open-call.js';
import { failingWith, type Callee } from './set-hooks.js';
import { type Coroutine, isPromiseLike } from '../util/coroutine.js';

/**
 * The answer to a call: `undefined` when it has succeeded, an error when it has failed, a promise when it has not been
 * answered yet.
 */
export type Answer = undefined | DmaError | PromiseLike<unknown>;

/** The answer to a batch: `undefined` when all of its calls have succeeded. */
export type BatchAnswer = undefined | FailedBatch | PromiseLike<unknown>;

/** A batch that has stopped: the number of its calls that took effect, and the error of the next one. */
export interface FailedBatch {
  readonly done: number;
  readonly error: DmaError;
}

/** What a call is for. */
interface About {
  readonly range: MemoryRange;
  readonly region?: string | undefined;
}

/** Limits of one batch: calls, and pages (256 MiB). An abort takes effect between two batches. */
const BATCH_CALLS_MAX = 4096;
const BATCH_PAGES_MAX = 1 << 16;

/**
 * Makes the calls of one target. What they throw or reject with is returned as a `DmaError`.
 *
 * Once the target is gone it is not called: maps and checks fail, unmaps have nothing to do.
 */
export class TargetCalls {
  readonly target: DmaTarget;
  readonly open = new OpenCall();
  /** Unsubscribes from the observable of a map that has not been answered. */
  signal: AbortSignal | undefined = undefined;
  /** What is called: the target, or what stands in for it. */
  #callee: Callee;
  #gone: DmaError | undefined = undefined;

  constructor(target: DmaTarget) {
    this.target = this.#callee = target;
  }

  /** The reason why no call of the current set may be made: each fails with it. */
  set refusal(reason: DmaError | undefined) {
    if (this.#gone === undefined) {
      this.#callee = reason === undefined ? this.target : failingWith(reason);
    }
  }

  /** The error that says that the target is gone. */
  get gone(): DmaError | undefined {
    return this.#gone;
  }

  /** The target is gone: see `gone`. Only the first error counts. */
  end(error: DmaError): void {
    if (this.#gone === undefined) {
      this.#gone = error;
      this.#callee = { ...failingWith(error), unmapDma: doNothing, unmapDmaBatch: doNothing };
    }
  }

  /** Calls `checkMaps`, which the target has. */
  check(requests: readonly DmaMapRequest[]): Answer {
    try {
      const returned: unknown = this.#callee.checkMaps?.(requests);
      return returned === undefined ? undefined : this.#answerOf(returned, this.signal);
    } catch (thrown) {
      return this.toError(thrown);
    }
  }

  map(request: DmaMapRequest): Answer {
    try {
      const returned: unknown = this.#callee.mapDma(request);
      return returned === undefined ? undefined : this.#answerOf(returned, this.signal);
    } catch (thrown) {
      return this.toError(thrown, request);
    }
  }

  unmap(range: MemoryRange): Answer {
    try {
      const returned: unknown = this.#callee.unmapDma(range);
      return returned === undefined ? undefined : this.#answerOf(returned);
    } catch (thrown) {
      return this.toError(thrown, { range });
    }
  }

  /** Waits for an answer, and returns its error; `about` is what the call was for. */
  *errorOf(answer: Answer, about?: About): Coroutine<DmaError | undefined> {
    if (answer === undefined || answer instanceof DmaError) {
      return answer;
    }
    try {
      yield this.open.wait(answer);
      return undefined;
    } catch (thrown) {
      return this.toError(thrown, about);
    }
  }

  /** Makes several maps by one call of `mapDmaBatch`, which the target has; a single one by `mapDma`. */
  mapBatch(requests: readonly DmaMapRequest[]): BatchAnswer {
    if (requests.length === 1) {
      return failedFirst(this.map(requests[0] as DmaMapRequest));
    }
    try {
      const returned: unknown = this.#callee.mapDmaBatch?.(requests);
      return returned === undefined ? undefined : this.#batchAnswerOf(toAnswer(returned, this.signal), requests);
    } catch (thrown) {
      return { done: 0, error: this.toError(thrown, requests[0]) };
    }
  }

  /** Unmaps these ranges, as `mapBatch` maps. */
  unmapBatch(items: readonly About[]): BatchAnswer {
    if (items.length === 1) {
      return failedFirst(this.unmap((items[0] as About).range));
    }
    try {
      const returned: unknown = this.#callee.unmapDmaBatch?.(items.map(rangeOf));
      return returned === undefined ? undefined : this.#batchAnswerOf(toAnswer(returned), items);
    } catch (thrown) {
      return { done: 0, error: this.toError(thrown, items[0]) };
    }
  }

  /** Waits for the answer to a batch. Returns `undefined` when all of its calls have succeeded. */
  *failureOf(answer: BatchAnswer, items: readonly About[]): Coroutine<FailedBatch | undefined> {
    try {
      if (!isPromiseLike(answer)) {
        return answer;
      }
      const stop: unknown = yield this.open.wait(answer);
      return items.length === 1 ? undefined : this.#stopOf(stop, items); // A single call has no result.
    } catch (thrown) {
      return { done: 0, error: this.toError(thrown, items[0]) };
    }
  }

  /** The number of items, from index `from` on, that one batch takes. */
  batchLength(items: readonly About[], from: number): number {
    let pages = 0;
    let count = 0;
    while (count < BATCH_CALLS_MAX && from + count < items.length) {
      const { startPage, endPage } = (items[from + count] as About).range;
      pages += endPage - startPage;
      if (count > 0 && pages > BATCH_PAGES_MAX) {
        break;
      }
      count += 1;
    }
    return count;
  }

  #answerOf(returned: unknown, signal?: AbortSignal): Answer {
    const answer = toAnswer(returned, signal);
    return isPromiseLike(answer) ? answer : undefined;
  }

  #batchAnswerOf(answer: unknown, items: readonly About[]): BatchAnswer {
    return isPromiseLike(answer) ? answer : this.#stopOf(answer, items);
  }

  /** What a batch has returned, checked. */
  #stopOf(stop: unknown, items: readonly About[]): FailedBatch | undefined {
    if (typeof stop !== 'object' || stop === null) {
      return undefined;
    }
    const { done } = stop as BatchStop;
    if (!Number.isInteger(done) || done < 0 || done >= items.length) {
      const invalid = new DmaError('the target returned an invalid result of a batch', {
        code: 'ERR_TARGET_FAILED',
        target: this.target.name,
        hint: 'a batch returns nothing when all of it took effect, else { done, error }: how many did, and why the next one did not',
      });
      return { done: 0, error: this.toError(invalid, items[0]) };
    }
    return { done, error: this.toError((stop as BatchStop).error, items[done]) };
  }

  /** The error of a call, by what it threw or rejected with. */
  toError(thrown: unknown, about?: About): DmaError {
    const error = toDmaError(thrown, {
      fallbackCode: 'ERR_TARGET_FAILED',
      target: this.target.name,
      region: about?.region,
      range: about?.range,
    });
    if (error.code === 'ERR_TARGET_GONE') {
      this.end(error);
    }
    return error;
  }
}

function doNothing(): undefined {
  return undefined;
}

/** The answer to a single call, as that to a batch. */
function failedFirst(answer: Answer): BatchAnswer {
  return answer instanceof DmaError ? { done: 0, error: answer } : answer;
}

function rangeOf({ range }: About): MemoryRange {
  return range;
}
