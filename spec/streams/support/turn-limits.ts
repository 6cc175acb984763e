import type { Scene } from '../../../bench/stalls/scene.js';

/**
 * With how many mappings a scene is played, and how often a piece of code may run in one turn of the event loop meanwhile. Any loop over all of
 * them that does not pause runs more often.
 */
export function limitsOf(scene: Scene | undefined): { readonly count: number; readonly atMost: number } {
  return scene?.inBatches === true ? { count: 30_720, atMost: 27_000 } : { count: 6144, atMost: 5800 };
}
