import type { DmaTarget } from '../../streams/index.js';

/** A no-op target, so that only the overhead of the pipeline is measured. With `batch` it takes whole sets. */
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

/** As {@link idleTarget}, with all that the pipeline calls at a kernel target: it looks at sets before, takes them whole, and may run beside others. */
export function idleKernelTarget(name: string): DmaTarget {
  return { ...idleTarget(name, { batch: true }), needsFd: true, concurrent: true, checkMaps: () => undefined };
}
