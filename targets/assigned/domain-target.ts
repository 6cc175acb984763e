import { setImmediate as nextTurn } from 'node:timers/promises';
import { DmaError, forwardTarget, type DmaTarget, type TargetBranch } from '../../streams/index.js';
import type { IommufdTarget } from '../iommufd-target.js';
import type { VfioType1Target } from '../vfio-type1-target.js';

/**
 * Wraps the target of an IOMMU domain for its manager. It forwards all calls, and tracks pending calls. After the domain has ended, nothing
 * is mapped, because the kernel removed all mappings with the last device. Unmaps then succeed without a call, so that the manager can
 * unmap what it still records as mapped because an unmap failed or was too late.
 */
export class DomainTarget {
  readonly name: string;
  readonly #forwarding: DmaTarget;
  #attachable: DmaTarget | TargetBranch | undefined;
  #underWay: Promise<void> | undefined;
  #ended = false;

  constructor(target: VfioType1Target | IommufdTarget) {
    this.name = target.name;
    this.#forwarding = forwardTarget(target, {
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

  /**
   * What to attach to the manager: what `attachAs` returns for this target. It is called once, because a manager recognizes a target that
   * it attaches again by its identity.
   */
  attachable(attachAs: (target: DmaTarget) => DmaTarget | TargetBranch): DmaTarget | TargetBranch {
    this.#attachable ??= attachAs(this.#forwarding);
    return this.#attachable;
  }

  /** Resolves when no call is pending, including calls that the manager makes in response to a finished call. */
  async idle(): Promise<void> {
    while (this.#underWay !== undefined) {
      await this.#underWay;
      await nextTurn();
    }
  }

  /** Marks the domain as ended: from now on nothing is mapped, and maps fail. */
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
