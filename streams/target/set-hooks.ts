import type { DmaTarget } from '../contracts/dma-target.js';
import { toDmaError, type DmaError } from '../contracts/errors.js';
import { isPromiseLike, type Coroutine } from '../util/coroutine.js';
import { toAnswer } from './answers.js';
import type { OpenCall } from './open-call.js';

/** The methods of a target that a set calls. */
export type Callee = Pick<DmaTarget, 'checkMaps' | 'mapDma' | 'unmapDma' | 'mapDmaBatch' | 'unmapDmaBatch'>;

/** Calls `beginSet` and `endSet` of one target: around all of its calls for a change set, once each. */
export class SetHooks {
  readonly #target: DmaTarget;
  readonly #name: string;
  readonly #openCall: OpenCall;
  /** `failed`: `beginSet` has failed; then nothing of the set is called. */
  #state: 'outside' | 'inside' | 'failed' = 'outside';
  #generation = 0;
  #error: DmaError | undefined = undefined;

  constructor(target: DmaTarget, name: string, openCall: OpenCall) {
    this.#target = target;
    this.#name = name;
    this.#openCall = openCall;
  }

  /** Those of a target that has at least one of the two. */
  static of(target: DmaTarget, name: string, openCall: OpenCall): SetHooks | undefined {
    return target.beginSet === undefined && target.endSet === undefined
      ? undefined
      : new SetHooks(target, name, openCall);
  }

  /** Whether a set has begun, and has not ended. */
  get isOpen(): boolean {
    return this.#state !== 'outside';
  }

  /** Begins a set, if none is open. Returns the error of `beginSet`: then no call of the set may be made. */
  *begin(generation: number): Coroutine<DmaError | undefined> {
    if (this.isOpen) {
      return this.#error;
    }
    this.#generation = generation;
    this.#error = yield* this.#call(() => this.#target.beginSet?.(generation));
    this.#state = this.#error === undefined ? 'inside' : 'failed';
    void this.#openCall.lateAnswer(this.#error)?.then((answer) => {
      if (this.#state === 'failed') {
        this.#state = 'value' in answer ? 'inside' : 'outside';
        this.#error = undefined;
      }
    });
    return this.#error;
  }

  /** Ends the set, if one has begun. Returns the error of `endSet`, which is not called when `beginSet` has failed. */
  *end(): Coroutine<DmaError | undefined> {
    const state = this.#state;
    this.#state = 'outside';
    return state === 'inside' ? yield* this.#call(() => this.#target.endSet?.(this.#generation)) : undefined;
  }

  /** The target is gone: the set has ended, without a call. */
  drop(): void {
    this.#state = 'outside';
  }

  *#call(hook: () => unknown): Coroutine<DmaError | undefined> {
    try {
      const answer = toAnswer(hook());
      if (isPromiseLike(answer)) {
        yield this.#openCall.wait(answer);
      }
      return undefined;
    } catch (thrown) {
      return toDmaError(thrown, { fallbackCode: 'ERR_TARGET_FAILED', target: this.#name });
    }
  }
}

/** What is called in place of a target of which no call may be made. */
export function failingWith(reason: DmaError): Callee {
  const fail = (): never => {
    throw reason;
  };
  return { checkMaps: fail, mapDma: fail, unmapDma: fail, mapDmaBatch: fail, unmapDmaBatch: fail };
}
