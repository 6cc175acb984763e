import { setImmediate as nextTurn } from 'node:timers/promises';
import { DmaError, type DmaMapRequest, type DmaTarget, type MemoryRange } from '../../streams/index.js';

/**
 * The target of an IOMMU domain as its manager gets it. It passes every call on; besides, it knows when one is under way, and once the domain
 * has ended it knows that nothing is mapped: the kernel took everything away with the last device. So what a manager still believes to be
 * mapped then, because an unmap failed or came too late, can be unmapped.
 */
export class DomainTarget implements DmaTarget {
  readonly name: string;
  readonly needsVa: boolean;
  readonly needsFd: boolean;
  readonly unmapShape: 'superset' | 'exact';
  readonly concurrent: boolean;
  /** Only where the target itself takes sets: a manager looks whether it is there. */
  declare readonly mapDmaBatch?: NonNullable<DmaTarget['mapDmaBatch']>;
  declare readonly unmapDmaBatch?: NonNullable<DmaTarget['unmapDmaBatch']>;
  declare readonly mappedRanges?: NonNullable<DmaTarget['mappedRanges']>;
  readonly #target: DmaTarget;
  #underWay: Promise<void> | undefined;
  #ended = false;

  constructor(target: DmaTarget) {
    this.name = target.name;
    this.needsVa = target.needsVa ?? false;
    this.needsFd = target.needsFd ?? false;
    this.unmapShape = target.unmapShape ?? 'superset';
    this.concurrent = target.concurrent ?? false;
    this.#target = target;
    if (target.mapDmaBatch !== undefined) {
      this.mapDmaBatch = (requests) => this.#mapping(() => target.mapDmaBatch?.(requests));
    }
    if (target.unmapDmaBatch !== undefined) {
      this.unmapDmaBatch = (ranges) => this.#unmapping(() => target.unmapDmaBatch?.(ranges));
    }
    if (target.mappedRanges !== undefined) {
      this.mappedRanges = () => (this.#ended ? [] : (target.mappedRanges?.() ?? []));
    }
  }

  checkMaps(requests: readonly DmaMapRequest[]): void | Promise<void> {
    return this.#mapping(() => this.#target.checkMaps?.(requests));
  }

  mapDma(request: DmaMapRequest): void | Promise<void> {
    return this.#mapping(() => this.#target.mapDma(request));
  }

  unmapDma(range: MemoryRange): void | Promise<void> {
    return this.#unmapping(() => this.#target.unmapDma(range));
  }

  /** Resolves when no call is under way, nor one that its manager makes because another has come back. */
  async idle(): Promise<void> {
    while (this.#underWay !== undefined) {
      await this.#underWay;
      await nextTurn();
    }
  }

  /** From now on nothing is mapped, and nothing can be. */
  end(): void {
    this.#ended = true;
  }

  #mapping<T>(call: () => T | Promise<T>): T | Promise<T> {
    if (this.#ended) {
      throw new DmaError('the last device behind this target was removed', {
        code: 'ERR_CLOSED',
        target: this.name,
        hint: 'AssignedDevices.add() makes a new one with the next device',
      });
    }
    return this.#watch(call());
  }

  #unmapping<T>(call: () => T | Promise<T>): T | Promise<T> | undefined {
    return this.#ended ? undefined : this.#watch(call());
  }

  #watch<T>(answer: T | Promise<T>): T | Promise<T> {
    if (answer instanceof Promise) {
      const settled = (): void => {
        if (this.#underWay === underWay) {
          this.#underWay = undefined;
        }
      };
      const underWay: Promise<void> = answer.then(settled, settled);
      this.#underWay = underWay;
    }
    return answer;
  }
}
