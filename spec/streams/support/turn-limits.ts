import type { Scene } from '../../../bench/stalls/scene.js';

/**
 * The number of mappings of a scene, and the limit of executions of a piece of code in one turn of the event loop. A loop over all mappings without a
 * pause exceeds the limit.
 */
export function limitsOf(scene: Scene | undefined): { readonly count: number; readonly atMost: number } {
  return scene?.inBatches === true ? { count: 30_720, atMost: 27_000 } : { count: 6144, atMost: 5800 };
}
