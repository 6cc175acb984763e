import type { Outcome } from '../contracts/change-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import { withDetails, type OutcomeDetails } from './outcomes.js';

/** Most sets skip nothing. */
const NONE: readonly DmaError[] = Object.freeze([]);

/** Collects what becomes of one set. */
export class SetResult implements OutcomeDetails {
  error: DmaError | undefined = undefined;
  failedAt: OutcomeDetails['failedAt'] = undefined;
  skipped: readonly DmaError[] = NONE;
  declare undone?: TargetRange[];
  declare stuck?: TargetRange[];
  declare missing?: TargetRange[];

  add(what: 'undone' | 'stuck' | 'missing', at: TargetRange): void {
    (this[what] ??= []).push(at);
  }

  skip(error: DmaError): void {
    if (this.skipped === NONE) {
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
