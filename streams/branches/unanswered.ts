import type { Branch } from './branch.js';
import { OPERATOR_HINT } from './command-errors.js';

/** Something that a branch has not answered yet. */
export interface Unanswered {
  /** The call of the target, or the set that an operator holds: while it is the same object, there was no answer. */
  readonly key: object;
  /** Name of the target, or of the branch. */
  readonly target: string;
  /** Of the set; `undefined` for a call that belongs to none. */
  readonly generation: number | undefined;
  readonly hint: string;
}

/** What a branch has not answered. A target that is between two calls has answered. */
export function unansweredBy(branch: Branch): readonly Unanswered[] {
  const generation = branch.open?.generation;
  const found: Unanswered[] = [];
  for (const { name, openCall } of branch.made) {
    if (openCall !== undefined) {
      found.push({ key: openCall, target: name, generation, hint: CALL_HINT });
    }
  }
  if (branch.open !== undefined && branch.unanswering === 'operator') {
    found.push({ key: branch.open, target: branch.name, generation, hint: OPERATOR_HINT });
  }
  return found;
}

const CALL_HINT =
  'detach({ abandon: true }) of the attachment gives the target up; withTimeout(ms, branch) limits the time of a call';
