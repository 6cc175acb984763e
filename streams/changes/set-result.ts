import type { Outcome } from '../contracts/change-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import { EMPTY_LIST } from '../util/lists.js';
import { withDetails, type OutcomeDetails } from './outcomes.js';

const RANGE_LISTS = ['undone', 'stuck', 'missing'] as const;
type RangeList = (typeof RANGE_LISTS)[number];

/** Collects the result of one set. */
export class SetResult implements OutcomeDetails {
  error: DmaError | undefined = undefined;
  failedAt: OutcomeDetails['failedAt'] = undefined;
  skipped: readonly DmaError[] = EMPTY_LIST;
  declare undone?: readonly TargetRange[];
  declare stuck?: readonly TargetRange[];
  declare missing?: readonly TargetRange[];

  add(list: RangeList, range: TargetRange): void {
    ((this[list] ??= []) as TargetRange[]).push(range);
  }

  /** Adds the lists of the inverse set that has undone this one. */
  addUndo(undo: Outcome): void {
    for (const list of RANGE_LISTS) {
      const [own, more] = [this[list], undo[list]];
      if (more !== undefined) {
        this[list] = own === undefined ? more : [...own, ...more];
      }
    }
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
