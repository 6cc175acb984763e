import type { OperatorFunction } from 'rxjs';
import type { ChangeSet, Outcome } from './change-set.js';

/** The operators between the change sets of a manager and the outcomes of a target. `toTarget(target)` makes the simplest one. */
export type TargetBranch = OperatorFunction<ChangeSet, Outcome>;
