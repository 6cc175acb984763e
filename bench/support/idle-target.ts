import type { DmaTarget } from '../../streams/index.js';

/** A target that does nothing: what is left is what the pipeline costs. With `batch` it takes whole sets. */
export function idleTarget(
  name: string,
  options: { readonly batch?: boolean; readonly needsVa?: boolean } = {},
): DmaTarget {
  const { batch = false, needsVa = false } = options;
  return {
    name,
    needsVa,
    mapDma: () => undefined,
    unmapDma: () => undefined,
    ...(batch ? { mapDmaBatch: () => undefined, unmapDmaBatch: () => undefined } : {}),
  };
}
