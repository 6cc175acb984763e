import { timer, type Subscription } from 'rxjs';
import type { Branch } from '../branches/branch.js';
import { combined } from '../branches/combined.js';
import { OPERATOR_HINT } from '../branches/command-errors.js';
import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import { DmaError } from '../contracts/errors.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { checkMilliseconds } from '../util/checks.js';
import { isPromiseLike, SyncPromise } from '../util/coroutine.js';

/**
 * Makes a branch whose sets fail when they are not answered in time.
 *
 * Order: as that of `branch`. Each set is answered exactly once.
 *
 * On failure: when a set has not been answered after `ms`, the call of the target that has not ended counts as failed,
 * with `ETIMEDOUT`, and what it maps or unmaps as stuck. So a command with a map is undone at all targets and rejects with
 * a `DmaMapError`; one with an unmap takes effect and rejects with a `DmaUnmapError`. Each later call in the set has
 * `ms` again. Until the call ends, the target is not called: its maps and unmaps fail with `ERR_TARGET_PENDING`.
 * Afterwards the branch works again: `retryStuck()`, `heal()`, `detach()`, and a new map of these addresses unmap what is
 * stuck, if the call has left it mapped.
 *
 * If no call of a target is open, an operator in `branch` holds the set. Then the branch has ended: each later map fails
 * with `ETIMEDOUT`, and unmaps are served directly at the targets. What a branch without `toTarget` was to map counts as stuck.
 *
 * @param ms in milliseconds, more than 0 and at most 2^31 - 1; of the clock of RxJS, so that marble tests can use virtual time.
 * Waiting in the queue of the manager, and pauses for the event loop between two calls, do not count as an answer that is
 * late. Nor do calls that are made past the branch: `retryStuck()`, `verify()`, and the unmaps of `heal()` wait as long as the
 * target takes
 * @throws TypeError or RangeError for a wrong argument. What the branch function throws, the result throws
 *
 * @example
 * ```ts
 * import { RegionManager, toTarget, withTimeout } from 'dma-streams';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * await using manager = new RegionManager();
 * const attachment = await manager.attach(withTimeout(2000, toTarget(new LoggingTarget())));
 * console.log(attachment.target); // log
 * ```
 */
export function withTimeout(ms: number, branch: TargetBranch): TargetBranch {
  checkMilliseconds(ms, 1, 'the time of withTimeout');
  return combined(
    [branch],
    (all, _name, subscription) => (set) => answerInTime(set, ms, all[0] as Branch, subscription),
  );
}

function answerInTime(
  set: ChangeSet,
  ms: number,
  branch: Branch,
  subscription: Subscription,
): Outcome | Promise<Outcome> {
  const answer = branch.serve(set);
  if (!isPromiseLike(answer)) {
    return answer;
  }
  return new SyncPromise((resolve, reject) => {
    /** The answer that counts. */
    let awaited: Outcome | Promise<Outcome> = answer;
    let ticking: Subscription | undefined;
    let isSettled = false;
    const start = (): void => {
      if (isSettled || subscription.closed) {
        return;
      }
      ticking = timer(ms).subscribe({ complete: tick, error: reject });
      subscription.add(ticking);
    };
    const tick = (): void => {
      const late = timeOut(set, ms, branch);
      if (late === 'called') {
        start();
      } else if (late === 'paused') {
        // The pause is one of the real event loop, also when the time is virtual.
        setTimeout(start);
      } else {
        waitFor(late);
      }
    };
    const waitFor = (next: Outcome | Promise<Outcome>): void => {
      awaited = next;
      const settle = (outcome: Outcome): void => {
        if (awaited === next) {
          isSettled = true;
          ticking?.unsubscribe();
          resolve(outcome);
        }
      };
      if (isPromiseLike(next)) {
        next.then(settle, reject);
      } else {
        settle(next);
      }
    };
    start();
    waitFor(answer);
  });
}

/**
 * Ends the calls that have not been answered.
 *
 * @returns `'called'` if there were some: the set is answered soon, or its next call has the same time; `'paused'` if a
 * target is between two calls; otherwise the answer to the set, which is not with a target
 */
function timeOut(set: ChangeSet, ms: number, branch: Branch): Outcome | Promise<Outcome> | 'called' | 'paused' {
  const called = branch.made.filter(({ isInCall }) => isInCall);
  for (const port of called) {
    port.timeOut(timeoutError(set, ms, port.name));
  }
  if (called.length > 0) {
    return 'called';
  }
  if (branch.made.some(({ isServing }) => isServing)) {
    return 'paused';
  }
  branch.abandon(timeoutError(set, ms, branch.name, `${OPERATOR_HINT}; detach the attachment, and attach it again`));
  branch.end();
  const answer = branch.serve(set);
  return isPromiseLike(answer) || branch.ports.length > 0 || set.maps.length === 0 || set.undo === true
    ? answer
    : { ...answer, stuck: set.maps.map(({ range }) => ({ target: branch.name, range })) };
}

function timeoutError({ generation }: ChangeSet, ms: number, target: string, hint = CALL_HINT): DmaError {
  return new DmaError(`"${target}" has not answered generation ${generation} within ${ms} ms`, {
    code: 'ETIMEDOUT',
    target,
    hint,
  });
}

const CALL_HINT =
  'what was under way counts as stuck: call retryStuck() of the attachment when the target answers again, or detach({ abandon: true })';
