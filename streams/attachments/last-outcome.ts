import type { Outcome } from '../contracts/change-set.js';
import type { DmaError } from '../contracts/errors.js';
import { EMPTY_LIST } from '../util/lists.js';

/** The last outcome of an attachment, one of whose targets is gone: nothing is stuck. */
export function lastOutcome(
  outcome: Pick<Outcome, 'generation' | 'target'> & Partial<Outcome>,
  gone: DmaError,
): Outcome {
  return { skipped: [], ...outcome, status: 'failed', error: gone, stuck: EMPTY_LIST };
}
