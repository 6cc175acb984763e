import { BranchStream, partsOf, sharedSets } from '../branches/branch-stream.js';
import { checkTarget } from '../contracts/contract-checks.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { TargetPort } from '../target/target-port.js';

/**
 * Makes a branch of a target: applies each change set by calls of the target, one call at a time, and emits one outcome
 * for it.
 *
 * An unmap of ranges at which the target holds nothing makes no call.
 *
 * Order: unmaps before maps within a set; outcomes in the order of the sets. A set that arrives while another is being
 * served is queued.
 *
 * On failure: a failed map of RAM undoes its set, newest first: its maps are unmapped, and its unmapped mappings are
 * mapped again. A failed map of device memory is in the outcome's `skipped`. A failed unmap does not stop the set: its
 * mappings stay, are `stuck`, and are unmapped again before a new map of their pages. The observable never errors
 * because of the target.
 *
 * @throws TypeError when `target` is not a target
 *
 * @example
 * ```ts
 * import { RegionManager, toTarget } from 'dma-streams';
 * import { LoggingTarget } from 'dma-streams/targets';
 * import { tap } from 'rxjs';
 *
 * await using manager = new RegionManager();
 * const branch = toTarget(new LoggingTarget());
 * await manager.attach((changes$) => branch(changes$).pipe(tap(({ status }) => console.log(status)))); // applied
 * ```
 */
export function toTarget(target: DmaTarget): TargetBranch {
  checkTarget(target);
  return (changes$) => {
    const port = new TargetPort(target);
    const { vas, made } = partsOf(changes$);
    made?.push(port);
    const outcomes$ = port.outcomesOf(sharedSets(changes$), made === undefined);
    return new BranchStream({ ports: [port], vas, made }, (subscriber) => outcomes$.subscribe(subscriber));
  };
}
