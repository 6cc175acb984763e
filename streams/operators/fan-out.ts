import { Observable } from 'rxjs';
import { registerPort, registerAddresses, Branch } from '../branches/branch.js';
import type { Delivery } from '../branches/delivery-result.js';
import type { ChangeSet, MapChange, Outcome } from '../contracts/change-set.js';
import { deliver } from '../branches/delivery.js';
import { withDetails } from '../changes/outcomes.js';
import { checkBranch } from '../contracts/contract-checks.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { eachInSlices, sortedInSlices } from '../ranges/slices.js';
import { run, type Coroutine } from '../util/coroutine.js';
import { mapInOrder } from './map-in-order.js';

/**
 * Several branches as one.
 *
 * Order: unmaps are served in reverse order of the branches, then maps in their order, each branch when the one before it has
 * answered. There is one outcome for each set.
 *
 * On failure: when a map fails in one branch, what the set did in all of them is undone. A failed unmap stops nothing.
 */
export function fanOut(...branches: TargetBranch[]): TargetBranch {
  branches.forEach(checkBranch);
  return (changes$) =>
    new Observable((subscriber) => {
      const lines = putUnderWay(branches);
      const name = lines.map((line) => line.name).join('+');
      for (const port of lines.flatMap((line) => line.ports)) {
        registerPort(port);
      }
      for (const vas of lines.flatMap((line) => line.vas)) {
        registerAddresses(vas);
      }
      const subscription = changes$.pipe(mapInOrder((set) => run(serve(set, lines, name)))).subscribe(subscriber);
      return () => {
        subscription.unsubscribe();
        for (const line of lines) {
          line.end();
        }
      };
    });
}

/** All or none: when one of them cannot be, those before it are ended. */
function putUnderWay(branches: readonly TargetBranch[]): Branch[] {
  const lines: Branch[] = [];
  try {
    for (const branch of branches) {
      lines.push(new Branch(branch));
    }
    return lines;
  } catch (error) {
    for (const line of lines) {
      line.end();
    }
    throw error;
  }
}

function* serve(set: ChangeSet, lines: readonly Branch[], name: string): Coroutine<Outcome> {
  return toOutcome(yield* deliver(set, lines, { unmapped: () => takenFrom(lines) }), set.generation, name);
}

/** What the targets gave up for this set, ascending and each once. */
function* takenFrom(lines: readonly Branch[]): Coroutine<readonly MapChange[]> {
  const byStart = new Map<number, MapChange>();
  for (const port of lines.flatMap((line) => line.ports)) {
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
