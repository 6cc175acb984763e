import type { OperatorFunction } from 'rxjs';
import type { ChangeSet, Outcome } from './change-set.js';

/** From change sets to outcomes: how a target hangs in the stream. */
export type TargetBranch = OperatorFunction<ChangeSet, Outcome>;
