import { MemoryRange, type DmaTarget } from '../../streams/index.js';
import { show, toAnswer } from '../../streams/internal.js';

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
export async function look(target: DmaTarget, held: HeldOption | undefined): Promise<unknown> {
  if (held !== undefined) {
    const ranges: unknown = await held(target);
    if (!Array.isArray(ranges)) {
      throw new TypeError(`held of checkTarget must return an array of MemoryRange, but it returned ${show(ranges)}`);
    }
    return ranges;
  }
  return await toAnswer(target.mappedRanges === undefined ? target.mappedCount?.() : target.mappedRanges());
}

export function isHeld(value: unknown): value is Held {
  return (
    value === undefined ||
    (Number.isSafeInteger(value) && Number(value) >= 0) ||
    (Array.isArray(value) && value.every((range) => range instanceof MemoryRange))
  );
}
