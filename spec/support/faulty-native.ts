import { native, type Native, type RowRunner, type Runner } from '../../binding/native.js';
import type { FaultPlan } from '../streams/support/faults.js';

type Name = keyof Native;
type AnyFunction = (...args: never[]) => unknown;

const ENOMEM = -12;

/** Functions that cannot fail but for a closed handle, and those that only look. */
const SAFE = new Set<string>([
  'fileFd',
  'fileClose',
  'addressSpaceId',
  'ramBlocksCreate',
  'addressSpaceAreas',
  'addressSpaceLimitAreas',
  'addressSpaceEmptyViews',
  'addressSpaceClose',
  'addressSpaceOverlap',
  'addressSpaceFirstFault',
  'vfioContainerClose',
  'vfioGroupClose',
  'vfioDeviceClose',
  'vfioDeviceFd',
  'iommufdClose',
  'kvmSlotsFind',
  'kvmSlotsList',
  'kvmSlotsFree',
]);

/** What they return runs sets of rows, and is kept by whoever asked for it: that is what fails. */
const RUNNERS = new Set<string>(['containerRunner', 'ioasRunner', 'kvmSlotsRunner']);
const ROW_RUNNERS = new Set<string>(['containerRowRunner', 'ioasRowRunner', 'kvmSlotsRowRunner']);

/**
 * Lets the functions of the loaded addon fail by plan: one that does is not called, and answers -ENOMEM. Nothing of the addon knows; the
 * functions are put back by `dispose`. The names of those that were made to fail are added to `failed`.
 */
export class FaultyNative implements Disposable {
  /** The one whose plan counts now, also for runners that were made in the time of another. */
  static #current: FaultyNative | undefined;
  readonly #plan: FaultPlan;
  readonly #failed: Set<string> | undefined;
  readonly #addon = native() as unknown as Record<string, AnyFunction>;
  readonly #originals = new Map<string, AnyFunction>();

  constructor(plan: FaultPlan, options: { readonly only?: readonly Name[]; readonly failed?: Set<string> } = {}) {
    this.#plan = plan;
    this.#failed = options.failed;
    FaultyNative.#current = this;
    for (const name of options.only ?? Object.keys(this.#addon)) {
      const original = this.#addon[name];
      if (original === undefined || SAFE.has(name)) {
        continue;
      }
      this.#originals.set(name, original);
      if (RUNNERS.has(name)) {
        this.#addon[name] = (...args: never[]): unknown => FaultyNative.#faulty(name, original(...args) as Runner);
      } else if (ROW_RUNNERS.has(name)) {
        this.#addon[name] = (...args: never[]): unknown =>
          FaultyNative.#faultyRow(name, original(...args) as RowRunner);
      } else {
        this.#addon[name] = (...args: never[]): unknown => (this.#strikes(name) ? ENOMEM : original(...args));
      }
    }
  }

  static #faultyRow(name: string, run: RowRunner): RowRunner {
    return (what, iova, length, source) => {
      const current = FaultyNative.#current;
      return current !== undefined && current.#strikes(name) ? ENOMEM : run(what, iova, length, source);
    };
  }

  /** A set of rows is answered as if the kernel refused each of them. */
  static #faulty(name: string, run: Runner): Runner {
    const faulty = (rows: Float64Array, results: Int32Array, count: number, stop: boolean, later: boolean): unknown => {
      const current = FaultyNative.#current;
      if (current === undefined || !current.#strikes(name)) {
        return run(rows, results, count, stop, later as false);
      }
      results.fill(ENOMEM, 0, count);
      const done = stop ? Math.min(1, count) : count;
      return later ? Promise.resolve(done) : done;
    };
    return faulty as Runner;
  }

  #strikes(name: string): boolean {
    const strikes = this.#plan.strikes();
    if (strikes) {
      this.#failed?.add(name);
    }
    return strikes;
  }

  [Symbol.dispose](): void {
    if (FaultyNative.#current === this) {
      FaultyNative.#current = undefined;
    }
    for (const [name, original] of this.#originals) {
      this.#addon[name] = original;
    }
    this.#originals.clear();
  }
}
