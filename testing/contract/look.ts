import type { DmaTarget, MemoryRange } from '../../streams/index.js';
import { toAnswer } from '../../streams/internal.js';

/** What a check can see of a target: its maps; their number; or only which calls succeed. */
export type Sight = 'maps' | 'count' | 'calls';

/** What a target holds: its maps, or their number; `undefined` where neither is known. */
export type Held = readonly MemoryRange[] | number | undefined;

/** The option `held` of `checkTarget`. */
export type HeldOption = (target: DmaTarget) => readonly MemoryRange[] | Promise<readonly MemoryRange[]>;

export function sightOf(target: Partial<DmaTarget>, held: HeldOption | undefined): Sight {
  if (held !== undefined || typeof target.mappedRanges === 'function') {
    return 'maps';
  }
  return typeof target.mappedCount === 'function' ? 'count' : 'calls';
}

/** Asks the target, or the option `held`, what the target holds. The question is asked synchronously. */
export async function look(target: DmaTarget, held: HeldOption | undefined): Promise<Held> {
  if (held !== undefined) {
    return await held(target);
  }
  return (await toAnswer(target.mappedRanges === undefined ? target.mappedCount?.() : target.mappedRanges())) as Held;
}
