import type { Outcome } from '../contracts/change-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import { EMPTY_LIST } from '../util/lists.js';
import { withDetails, type OutcomeDetails } from './outcomes.js';

/** Collects the result of one set. */
export class SetResult implements OutcomeDetails {
  error: DmaError | undefined = undefined;
  failedAt: OutcomeDetails['failedAt'] = undefined;
  skipped: readonly DmaError[] = EMPTY_LIST;
  declare undone?: TargetRange[];
  declare stuck?: TargetRange[];
  declare missing?: TargetRange[];

  add(list: 'undone' | 'stuck' | 'missing', range: TargetRange): void {
    (this[list] ??= []).push(range);
  }

  skip(error: DmaError): void {
    if (this.skipped === EMPTY_LIST) {
      this.skipped = [error];
    } else {
      (this.skipped as DmaError[]).push(error);
    }
  }

  outcome(generation: number, target: string): Outcome {
    const { skipped, error } = this;
    if (error === undefined) {
      const outcome: Outcome = { generation, target, status: 'applied', skipped };
      return this.undone === undefined ? outcome : withDetails(outcome, this);
    }
    return withDetails({ generation, target, status: 'failed', skipped, error }, this);
  }
}
