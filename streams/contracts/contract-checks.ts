import { checkObject, checkCallback, checkFunction, show } from '../util/checks.js';
import { isClass } from '../util/classes.js';
import { isPromiseLike } from '../util/coroutine.js';
import type { DmaTarget } from './dma-target.js';
import type { MappingType } from './backing.js';
import type { TargetBranch } from './target-branch.js';
import type { VaMapper } from './va-mapper.js';

/** @throws TypeError */
export function checkMappingType(type: unknown, what: string): asserts type is MappingType {
  if (!isMappingType(type)) {
    throw new TypeError(`${what} takes 'ram' or 'device', not ${show(type)}`);
  }
}

/** @throws TypeError */
export function checkBranch(branch: unknown): asserts branch is TargetBranch {
  if (typeof branch !== 'function' || isClass(branch)) {
    throw new TypeError(
      `a branch must be a function from change sets to outcomes, not ${show(branch)}: toTarget(target) makes one`,
    );
  }
}

/** @throws TypeError */
export function checkVaMapper(mapper: unknown): asserts mapper is VaMapper {
  checkObject(mapper, 'a VA mapper');
  for (const method of ['ensureMapped', 'release'] as const) {
    checkFunction((mapper as Partial<VaMapper>)[method], `${method} of a VA mapper`);
  }
  for (const method of ['ensureMappedBatch', 'releaseBatch'] as const) {
    checkCallback((mapper as Partial<VaMapper>)[method], `${method} of a VA mapper`);
  }
}

/** @throws TypeError */
export function checkTarget(target: unknown): asserts target is DmaTarget {
  checkObject(target, 'a target');
  if (isPromiseLike(target)) {
    throw new TypeError('a target: an object is needed, not a promise: await it');
  }
  for (const method of ['mapDma', 'unmapDma'] as const) {
    checkFunction(Reflect.get(target, method), `${method} of a target`);
  }
  const { name, maxMaps }: { readonly name?: unknown; readonly maxMaps?: unknown } = target;
  if (typeof name !== 'string') {
    throw new TypeError(`name of a target must be a string, not ${show(name)}`);
  }
  if (maxMaps !== undefined && (typeof maxMaps !== 'number' || Number.isNaN(maxMaps))) {
    throw new TypeError(`maxMaps of a target must be a number of maps, not ${show(maxMaps)}`);
  }
}

export function isMappingType(value: unknown): value is MappingType {
  return value === 'ram' || value === 'device';
}
