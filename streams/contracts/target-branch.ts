import type { OperatorFunction } from 'rxjs';
import type { ChangeSet, Outcome } from './change-set.js';

/**
 * The operators between the change sets of a manager and the outcomes of a target. `toTarget(target)` makes the simplest one.
 *
 * All branches of a manager share its change sets, which are frozen: an operator that changes one emits a new object, such as
 * `{ ...set, maps: set.maps.filter(…) }`.
 *
 * The manager knows the targets of a branch that returns what `toTarget` or `fanOut` returned, also behind operators of RxJS. It does not know
 * those of an observable that is made otherwise, for example with `new Observable`, `zip` or `endWith`, nor those of targets that are combined
 * otherwise than by `fanOut`. Then `attachment.target` is `'branch'`, the ledger follows from the outcomes, and nothing prevents that a target is
 * attached twice.
 */
export type TargetBranch = OperatorFunction<ChangeSet, Outcome>;
