import { checkNames, checkObject } from '../util/checks.js';
import { checkTarget } from './contract-checks.js';
import type { DmaTarget } from './dma-target.js';

/** The members of a wrapper that replace those of its target. `undefined` removes an optional member. */
export type TargetOverrides = {
  readonly [Key in keyof DmaTarget]?: undefined extends DmaTarget[Key] ? DmaTarget[Key] | undefined : DmaTarget[Key];
};

type MemberKind<Key extends keyof DmaTarget> =
  NonNullable<DmaTarget[Key]> extends (...values: never[]) => unknown ? 'method' : 'value';

/** All members of `DmaTarget`. If one is missing here, this does not compile. */
const MEMBERS: { readonly [Key in keyof Required<DmaTarget>]: MemberKind<Key> } = {
  name: 'value',
  needsVa: 'value',
  needsFd: 'value',
  unmapShape: 'value',
  checkMaps: 'method',
  mapDma: 'method',
  unmapDma: 'method',
  mapDmaBatch: 'method',
  unmapDmaBatch: 'method',
  beginSet: 'method',
  endSet: 'method',
  concurrent: 'value',
  slowForLargeMaps: 'value',
  mappedRanges: 'method',
  mappedCount: 'method',
  maxMaps: 'value',
};

/**
 * Makes a wrapper around a target: a target that forwards each member of `DmaTarget` to the original, except those in `overrides`. The wrapper
 * also forwards optional members, and members that later versions of `DmaTarget` add. Other members of the target are not forwarded.
 *
 * - The wrapper reads each property, and calls each method, on the target or on the overrides at the time of use, with the right `this`. An
 *   optional member is present as long as its source has it.
 * - Whether a member is overridden is decided when the wrapper is made. A member with the value `undefined` is overridden, and so is absent.
 * - A wrapper that overrides `mapDma` must also override or remove `mapDmaBatch`. The same applies to `unmapDma` and `unmapDmaBatch`.
 * - To a manager the target and its wrapper are two different targets. Attach only one of them.
 *
 * @example
 * ```ts
 * import { forwardTarget, type DmaTarget } from 'dma-streams';
 *
 * const target: DmaTarget = { name: 'device', mapDma() {}, unmapDma() {} };
 * const logged = forwardTarget(target, {
 *   mapDma(request) {
 *     console.log(`map ${request.range.toString()}`);
 *     return target.mapDma(request);
 *   },
 *   mapDmaBatch: undefined,
 * });
 * ```
 *
 * @throws TypeError if `target` is not a target, `overrides` is not an object or has a member that targets do not have, or the overrides make the wrapper an invalid target
 */
export function forwardTarget(target: DmaTarget, overrides: TargetOverrides = {}): DmaTarget {
  checkTarget(target);
  checkObject(overrides, 'the overrides of forwardTarget');
  checkNames(overrides, Object.keys(MEMBERS), 'a target');
  const wrapper = {};
  for (const [key, kind] of Object.entries(MEMBERS) as [keyof DmaTarget, 'method' | 'value'][]) {
    const source: TargetOverrides = key in overrides ? overrides : target;
    Object.defineProperty(wrapper, key, {
      enumerable: true,
      get: kind === 'value' ? () => source[key] : methodOf(source, key),
    });
  }
  checkTarget(wrapper);
  return wrapper;
}

/** The getter of a method. It returns the same function each time. All methods of a target have at most one parameter. */
function methodOf(source: TargetOverrides, key: keyof DmaTarget): () => unknown {
  const methods = source as Readonly<Record<string, unknown>>;
  const call = (argument: unknown): unknown => (methods[key] as (value: unknown) => unknown).call(source, argument);
  return () => (typeof methods[key] === 'function' ? call : methods[key]);
}
