import type { Subscription } from 'rxjs';
import { checkBranch } from '../contracts/contract-checks.js';
import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { endSetAt } from '../target/target-port.js';
import { run, waitFor, type Coroutine } from '../util/coroutine.js';
import { mapInOrder } from '../util/map-in-order.js';
import { Branch } from './branch.js';
import { BranchStream, partsOf, sharedSets } from './branch-stream.js';

/** Serves one set at some branches. The next one follows when this one has been answered. */
export type ServeSet = (set: ChangeSet) => Outcome | Promise<Outcome>;

/**
 * A branch around other ones, which it serves in its own way.
 *
 * @param start called for each subscription with the branches in operation, which it does not end; their joined name;
 * and what ends with the subscription, timers for example
 * @throws TypeError when one of the branches is none. What one of the branch functions throws, the combined one throws;
 * nothing has been subscribed then
 */
export function combined(
  branches: readonly TargetBranch[],
  start: (all: readonly Branch[], name: string, subscription: Subscription) => ServeSet,
): TargetBranch {
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
      const serve = start(all, name, subscriber);
      // A manager ends the set at the targets; without one it ends here.
      const outcomes$ = sharedSets(changes$).pipe(
        mapInOrder(made === undefined ? (set) => run(endedAt(all, serve(set))) : serve),
      );
      subscriber.add(outcomes$.subscribe(subscriber));
      return () => {
        for (const branch of all) {
          branch.end();
        }
      };
    });
  };
}

function* endedAt(branches: readonly Branch[], answer: Outcome | Promise<Outcome>): Coroutine<Outcome> {
  const outcome = yield* waitFor(answer);
  return yield* endSetAt(
    branches.flatMap((branch) => branch.made),
    outcome,
  );
}
