import { checkObject } from '../util/checks.js';
import { checkTarget } from './contract-checks.js';
import type { DmaTarget } from './dma-target.js';

/** Members of a target that a wrapper has itself. `undefined` for one that it leaves out, though the target may have it. */
export type TargetOverrides = {
  readonly [Key in keyof DmaTarget]?: undefined extends DmaTarget[Key] ? DmaTarget[Key] | undefined : DmaTarget[Key];
};

type Kind<Key extends keyof DmaTarget> =
  NonNullable<DmaTarget[Key]> extends (...values: never[]) => unknown ? 'method' : 'value';

/** All members of `DmaTarget`: one that is missing here does not compile. */
const MEMBERS: { readonly [Key in keyof Required<DmaTarget>]: Kind<Key> } = {
  name: 'value',
  needsVa: 'value',
  needsFd: 'value',
  unmapShape: 'value',
  checkMaps: 'method',
  mapDma: 'method',
  unmapDma: 'method',
  mapDmaBatch: 'method',
  unmapDmaBatch: 'method',
  concurrent: 'value',
  mappedRanges: 'method',
  mappedCount: 'method',
};

/**
 * A target that hands everything on to another one, but for what is overridden: the start of every wrapper. So a wrapper has all that the target
 * has, also what a later version of `DmaTarget` adds.
 *
 * ```ts
 * const slow = forwardTarget(target, { mapDma: (request) => timer(10).pipe(concatMap(async () => target.mapDma(request))) });
 * ```
 *
 * Members are read whenever they are asked for, from the target or from the overrides, and methods are called there, with `this` as they expect
 * it. So an optional member is there as long as the target has it. What is in `overrides` when the wrapper is made counts as overridden, also
 * with the value `undefined`: that leaves the member out. A wrapper that changes the calls for maps must override, or leave out,
 * `mapDmaBatch` besides `mapDma`; for unmaps likewise. Members of the target that are not of `DmaTarget` are not there.
 *
 * A manager takes target and wrapper for two targets: attach one of them.
 *
 * @throws TypeError when it is not a target, or the overrides are no object, or leave out what every target has
 */
export function forwardTarget(target: DmaTarget, overrides: TargetOverrides = {}): DmaTarget {
  checkTarget(target);
  checkObject(overrides, 'the overrides of forwardTarget');
  const wrapper = {};
  for (const [key, kind] of Object.entries(MEMBERS) as [keyof DmaTarget, 'method' | 'value'][]) {
    const source: TargetOverrides = key in overrides ? overrides : target;
    Object.defineProperty(wrapper, key, {
      enumerable: true,
      get: kind === 'value' ? () => source[key] : methodOf(source, key),
    });
  }
  checkTarget(wrapper as DmaTarget);
  return wrapper as DmaTarget;
}

/** The getter of a method, which is the same function as long as there is one. No method of a target takes more than one argument. */
function methodOf(source: TargetOverrides, key: keyof DmaTarget): () => unknown {
  const methods = source as Readonly<Record<string, unknown>>;
  const call = (argument: unknown): unknown => (methods[key] as (value: unknown) => unknown).call(source, argument);
  return () => (typeof methods[key] === 'function' ? call : methods[key]);
}
