import type { Outcome } from '../contracts/change-set.js';
import type { DmaError } from '../contracts/errors.js';
import type { TargetPort } from '../target/target-port.js';
import { EMPTY_LIST } from '../util/lists.js';

/** The last outcome of an attachment, one of whose targets is gone: nothing is stuck. */
export function lastOutcome(
  outcome: Pick<Outcome, 'generation' | 'target'> & Partial<Outcome>,
  gone: DmaError,
): Outcome {
  return { skipped: [], ...outcome, status: 'failed', error: gone, stuck: EMPTY_LIST };
}

/** The error that says that one of these targets is gone, or that a branch has said so in an outcome. */
export function goneIn(ports: readonly TargetPort[], outcome?: Outcome): DmaError | undefined {
  for (const { gone } of ports) {
    if (gone !== undefined) {
      return gone;
    }
  }
  return outcome?.error?.code === 'ERR_TARGET_GONE' ? outcome.error : undefined;
}
