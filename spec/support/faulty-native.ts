import { native, type Native } from '../../binding/native.js';
import type { FaultPlan } from '../streams/support/faults.js';

type Name = keyof Native;
type AnyFunction = (...args: never[]) => unknown;

const ENOMEM = -12;

/** Functions that cannot fail but for a closed handle, and those that only look. */
const SAFE = new Set<string>([
  'fileFd',
  'fileClose',
  'addressSpaceBase',
  'addressSpaceId',
  'addressSpaceClose',
  'addressSpaceOverlap',
  'addressSpaceFirstFault',
  'vfioContainerClose',
  'vfioGroupClose',
  'vfioDeviceClose',
  'vfioDeviceFd',
  'iommufdClose',
]);

/** A set of rows is answered as if the kernel refused each of them. */
const BATCHES = new Set<string>(['containerBatch', 'containerBatchAsync', 'ioasBatch', 'ioasBatchAsync']);

/**
 * Lets the functions of the loaded addon fail by plan: one that does is not called, and answers -ENOMEM. Nothing of the addon knows; the
 * functions are put back by `dispose`. The names of those that were made to fail are added to `failed`.
 */
export class FaultyNative implements Disposable {
  readonly #addon = native() as unknown as Record<string, AnyFunction>;
  readonly #originals = new Map<string, AnyFunction>();

  constructor(plan: FaultPlan, options: { readonly only?: readonly Name[]; readonly failed?: Set<string> } = {}) {
    for (const name of options.only ?? Object.keys(this.#addon)) {
      const original = this.#addon[name];
      if (original === undefined || SAFE.has(name)) {
        continue;
      }
      this.#originals.set(name, original);
      this.#addon[name] = (...args: never[]): unknown => {
        if (!plan.strikes()) {
          return original(...args);
        }
        options.failed?.add(name);
        return BATCHES.has(name) ? refuseRows(name, args) : ENOMEM;
      };
    }
  }

  [Symbol.dispose](): void {
    for (const [name, original] of this.#originals) {
      this.#addon[name] = original;
    }
    this.#originals.clear();
  }
}

function refuseRows(name: string, args: readonly unknown[]): number | Promise<number> {
  const results = args.find((arg) => arg instanceof Int32Array);
  const stopAtFailure = args.at(-1) === true;
  results?.fill(ENOMEM);
  const done = stopAtFailure ? 1 : (results?.length ?? 0);
  return name.endsWith('Async') ? Promise.resolve(done) : done;
}
