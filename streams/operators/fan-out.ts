import type { Branch } from '../branches/branch.js';
import { combined } from '../branches/combined.js';
import type { Delivery } from '../branches/delivery-result.js';
import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { deliver } from '../branches/delivery.js';
import { withDetails } from '../changes/outcomes.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { eachInSlices, sortedInSlices } from '../ranges/slices.js';
import { run, type Coroutine } from '../util/coroutine.js';

/**
 * Combines several branches into one.
 *
 * Order: unmaps are served in reverse order of the branches, then maps in their order. A branch is served when the one
 * before it has answered; adjacent branches whose targets are all `concurrent` are served at the same time. There is
 * one outcome for each set.
 *
 * On failure: when a map fails in one branch, the set is undone in all of them. A failed unmap does not stop the set;
 * its mappings are in the outcome's `stuck`. A branch that ends fails every later set.
 *
 * @throws TypeError when an argument is not a branch. What one of the branch functions throws, the combined one throws
 * (`attach` rejects with it); nothing has been subscribed then
 *
 * @example
 * ```ts
 * import { fanOut, RegionManager, toTarget } from 'dma-streams';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * await using manager = new RegionManager();
 * const left = new LoggingTarget({ name: 'left' });
 * const right = new LoggingTarget({ name: 'right' });
 * const attachment = await manager.attach(fanOut(toTarget(left), toTarget(right)));
 * console.log(attachment.target); // left+right
 * ```
 */
export function fanOut(...branches: TargetBranch[]): TargetBranch {
  return combined(branches, (all, name) => (set) => run(serve(set, all, name)));
}

function* serve(set: ChangeSet, branches: readonly Branch[], name: string): Coroutine<Outcome> {
  const delivery = yield* deliver(set, branches, { unmapped: () => unmappedAt(branches) });
  return toOutcome(delivery, set.generation, name);
}

/** The mappings that the targets have unmapped for this set, ascending, each once. */
function* unmappedAt(branches: readonly Branch[]): Coroutine<readonly MapChange[]> {
  const byStart = new Map<number, MapChange>();
  for (const port of branches.flatMap((branch) => branch.ports)) {
    yield* eachInSlices(yield* port.ledger.unmappedInSlices(), (change) => {
      byStart.set(change.range.startPage, change);
    });
  }
  return yield* sortedInSlices([...byStart.values()]);
}

function toOutcome(delivery: Delivery, generation: number, target: string): Outcome {
  const { failure, unmapError, restoreError, skipped, undone, stuck, missing } = delivery;
  const error = failure?.error ?? unmapError ?? restoreError;
  if (error === undefined) {
    return withDetails({ generation, target, status: 'applied', skipped }, { undone });
  }
  const { region, range } = failure ?? {};
  const failedAt =
    failure === undefined || region === undefined || range === undefined
      ? undefined
      : { target: failure.target, region, range };
  return withDetails({ generation, target, status: 'failed', skipped, error }, { failedAt, undone, stuck, missing });
}
