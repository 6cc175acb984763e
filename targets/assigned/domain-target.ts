import { setImmediate as nextTurn } from 'node:timers/promises';
import { DmaError, forwardTarget, type DmaTarget } from '../../streams/index.js';
import type { IommufdTarget } from '../iommufd-target.js';
import type { VfioType1Target } from '../vfio-type1-target.js';

/**
 * The target of an IOMMU domain as its manager gets it. It passes every call on; besides, it knows when one is under way, and once the domain
 * has ended it knows that nothing is mapped: the kernel took everything away with the last device. So what a manager still believes to be
 * mapped then, because an unmap failed or came too late, can be unmapped.
 */
export class DomainTarget {
  readonly name: string;
  /** What is attached. */
  readonly forManager: DmaTarget;
  #underWay: Promise<void> | undefined;
  #ended = false;

  constructor(target: VfioType1Target | IommufdTarget) {
    this.name = target.name;
    this.forManager = forwardTarget(target, {
      checkMaps: (requests) => this.#mapping(() => target.checkMaps(requests)),
      mapDma: (request) => this.#mapping(() => target.mapDma(request)),
      unmapDma: (range) => this.#unmapping(() => target.unmapDma(range)),
      mapDmaBatch: (requests) => this.#mapping(() => target.mapDmaBatch(requests)),
      unmapDmaBatch: (ranges) => this.#unmapping(() => target.unmapDmaBatch(ranges)),
      ...('mappedRanges' in target
        ? { mappedRanges: () => (this.#ended ? [] : target.mappedRanges()) }
        : { mappedCount: () => (this.#ended ? 0 : target.mappedCount()) }),
    });
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
