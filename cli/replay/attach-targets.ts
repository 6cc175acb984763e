import type { DmaTarget, RegionManager } from '../../streams/index.js';
import { messageOf } from '../errors.js';
import type { AttachedTarget } from './attached-target.js';
import type { TargetChoice } from './target-choice.js';

export interface Attached extends AttachedTarget {
  readonly choice: TargetChoice;
}

/**
 * Attaches the chosen targets, in their order. Adds to `attached` one by one: what is there when a later one fails is to be closed. Returns `false`
 * when the signal was aborted.
 *
 * @param wrap what is attached for a target
 * @throws DmaError of the first target that cannot be attached
 */
export async function attachTargets(
  attached: Attached[],
  manager: RegionManager,
  targets: readonly TargetChoice[],
  wrap: (target: DmaTarget, choice: TargetChoice) => DmaTarget,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for (const choice of targets) {
    try {
      attached.push({ ...(await choice.attach(manager, (target) => wrap(target, choice), signal)), choice });
    } catch (error) {
      if (signal?.aborted === true) {
        return false;
      }
      throw error;
    }
  }
  return true;
}

/**
 * Unmaps everything at all targets, then closes what was opened for them, whatever fails. Returns the first error.
 *
 * @param unmapped is called between the two
 */
export async function closeQuietly(
  manager: RegionManager,
  attached: readonly Attached[],
  unmapped?: () => void,
): Promise<Error | undefined> {
  const failures: unknown[] = [];
  const note = (error: unknown): void => {
    failures.push(error);
  };
  await manager.close().catch(note);
  unmapped?.();
  for (const { close } of attached) {
    await close?.().catch(note);
  }
  const [first] = failures;
  return first === undefined || first instanceof Error ? first : new Error(messageOf(first));
}
