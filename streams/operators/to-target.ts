import { defer } from 'rxjs';
import { registerPort } from '../branches/branch.js';
import { checkTarget } from '../contracts/contract-checks.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { TargetPort } from '../target/target-port.js';
import { mapInOrder } from './map-in-order.js';

/**
 * The end of a branch: applies change sets to the target, one call after another, and answers each with an outcome.
 *
 * Unmaps that cover nothing that the target holds cause no call. A failed RAM map undoes what its set had done, newest first; a
 * failed device map is in the outcome's `skipped`; a failed unmap leaves its maps stuck, and is tried again before a new map of
 * these pages. The observable of outcomes never errors because of the target.
 *
 * Order: outcomes come in the order of the sets. A set that arrives while another is being served waits.
 *
 * @throws TypeError when it is not a target
 */
export function toTarget(target: DmaTarget): TargetBranch {
  checkTarget(target);
  return (changes$) =>
    defer(() => {
      const port = new TargetPort(target);
      registerPort(port);
      return changes$.pipe(mapInOrder((set) => port.serve(set)));
    });
}
