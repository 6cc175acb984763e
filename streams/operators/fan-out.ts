import { Branch } from '../branches/branch.js';
import { BranchStream, partsOf, sharedSets } from '../branches/branch-stream.js';
import type { Delivery } from '../branches/delivery-result.js';
import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { deliver } from '../branches/delivery.js';
import { withDetails } from '../changes/outcomes.js';
import { checkBranch } from '../contracts/contract-checks.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { eachInSlices, sortedInSlices } from '../ranges/slices.js';
import { endSetAt } from '../target/target-port.js';
import { run, type Coroutine } from '../util/coroutine.js';
import { mapInOrder } from '../util/map-in-order.js';

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
  branches.forEach(checkBranch);
  const makeAll = (): readonly Branch[] => branches.map((branch) => new Branch(branch));
  return (changes$) => {
    const first = makeAll();
    const name = first.map((branch) => branch.name).join('+');
    const before = partsOf(changes$);
    const { made } = before;
    const ports = first.flatMap((branch) => branch.ports);
    made?.push(...first.flatMap((branch) => branch.made));
    const parts = { ports, vas: [...before.vas, ...first.flatMap(({ vas }) => vas)], made };
    let unused: readonly Branch[] | undefined = first;
    return new BranchStream(parts, (subscriber) => {
      const all = unused ?? makeAll();
      if (unused === undefined) {
        made?.push(...all.flatMap((branch) => branch.made));
      }
      unused = undefined;
      for (const branch of all) {
        branch.start();
      }
      const outcomes$ = sharedSets(changes$).pipe(mapInOrder((set) => run(serve(set, all, name, made === undefined))));
      subscriber.add(outcomes$.subscribe(subscriber));
      return () => {
        for (const branch of all) {
          branch.end();
        }
      };
    });
  };
}

/** @param isWhole whether no manager ends the set at the targets */
function* serve(set: ChangeSet, branches: readonly Branch[], name: string, isWhole: boolean): Coroutine<Outcome> {
  const delivery = yield* deliver(set, branches, { unmapped: () => unmappedAt(branches) });
  const outcome = toOutcome(delivery, set.generation, name);
  return isWhole
    ? yield* endSetAt(
        branches.flatMap((branch) => branch.made),
        outcome,
      )
    : outcome;
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
