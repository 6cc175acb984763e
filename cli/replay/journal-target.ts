import type { DmaMapRequest, DmaTarget, MemoryRange } from '../../streams/index.js';
import { codeOf } from '../errors.js';
import type { TargetCall } from '../../targets/index.js';

/**
 * Stands before a target and tells of every call, once the target has answered it, failed or not. What the target answers
 * is handed on unchanged.
 */
export class JournalTarget implements DmaTarget {
  readonly name: string;
  readonly needsVa: boolean;
  readonly needsFd: boolean;
  readonly unmapShape: 'superset' | 'exact';
  /** Present where the target looks at whole sets: of one that does not, no list is made for it. */
  readonly checkMaps?: (requests: readonly DmaMapRequest[]) => void | Promise<void>;
  readonly #target: DmaTarget;
  readonly #record: (call: TargetCall) => void;

  /** `needsVa` asks for host virtual addresses also where the target itself could do without. */
  constructor(target: DmaTarget, record: (call: TargetCall) => void, options: { readonly needsVa?: boolean } = {}) {
    this.name = target.name;
    this.needsVa = options.needsVa ?? target.needsVa ?? false;
    this.needsFd = target.needsFd ?? false;
    this.unmapShape = target.unmapShape ?? 'superset';
    if (target.checkMaps !== undefined) {
      this.checkMaps = (requests) => target.checkMaps?.(requests);
    }
    this.#target = target;
    this.#record = record;
  }

  mapDma(request: DmaMapRequest): void | Promise<void> {
    return this.#call({ op: 'map', target: this.name, request }, () => this.#target.mapDma(request));
  }

  unmapDma(range: MemoryRange): void | Promise<void> {
    return this.#call({ op: 'unmap', target: this.name, range }, () => this.#target.unmapDma(range));
  }

  #call(call: TargetCall, serve: () => void | Promise<void>): void | Promise<void> {
    let answer: void | Promise<void>;
    try {
      answer = serve();
    } catch (error) {
      this.#record({ ...call, failed: codeOf(error) ?? 'ERR_TARGET' });
      throw error;
    }
    if (answer === undefined) {
      this.#record(call);
      return undefined;
    }
    return this.#settle(call, answer);
  }

  async #settle(call: TargetCall, answer: Promise<void>): Promise<void> {
    try {
      await answer;
    } catch (error) {
      this.#record({ ...call, failed: codeOf(error) ?? 'ERR_TARGET' });
      throw error;
    }
    this.#record(call);
  }
}
