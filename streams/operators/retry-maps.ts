import { timer, type Subscription } from 'rxjs';
import type { Branch } from '../branches/branch.js';
import { combined } from '../branches/combined.js';
import { stuckOf } from '../changes/outcomes.js';
import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { ABORT_CODE } from '../util/abort.js';
import { checkCount, checkMilliseconds, checkOptions } from '../util/checks.js';
import { run, SyncPromise, waitFor, type Coroutine } from '../util/coroutine.js';

/** How often `retryMaps` tries again, and when. */
export interface RetryOptions {
  /** Most further attempts for one set, 1 or more. */
  readonly count: number;
  /** Time before each of them, in milliseconds, 0 to 2^31 - 1. Default: 0, in a later turn of the event loop. */
  readonly delay?: number;
}

/**
 * Makes a branch that tries a set with a failed map again.
 *
 * Order: as that of `branch`. Each set is answered exactly once, with the outcome of the last attempt; later sets wait.
 *
 * A set that failed is tried again as a whole, after the branch has undone it completely. A set whose undo left something
 * stuck or missing is not tried again, nor is one that was aborted, or one of whose targets one is gone: then the attachment ends. Of the maps that an
 * undo, or `heal()`, restores, those that failed are tried again. Failed unmaps are not tried again, nor skipped maps of
 * device memory. When the branch ends during a delay, there is no further attempt.
 *
 * @throws TypeError or RangeError for a wrong argument. What the branch function throws, the result throws
 *
 * @example
 * ```ts
 * import { RegionManager, retryMaps, toTarget } from 'dma-streams';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * await using manager = new RegionManager();
 * await manager.attach(retryMaps({ count: 3, delay: 100 }, toTarget(new LoggingTarget())));
 * ```
 */
export function retryMaps(options: RetryOptions, branch: TargetBranch): TargetBranch {
  checkOptions(options, { count: true, delay: true }, 'retryMaps');
  const { count, delay = 0 } = options;
  checkCount(count, 'count of retryMaps');
  checkMilliseconds(delay, 0, 'delay of retryMaps');
  return combined(
    [branch],
    (all, _name, subscription) => (set) => run(served(set, all[0] as Branch, { count, delay }, subscription)),
  );
}

function* served(
  set: ChangeSet,
  branch: Branch,
  { count, delay }: Required<RetryOptions>,
  subscription: Subscription,
): Coroutine<Outcome> {
  let outcome = yield* waitFor(branch.serve(set));
  for (let left = count; left > 0 && mayRetry(set, outcome, branch); left--) {
    yield passed(delay, subscription);
    outcome = yield* waitFor(branch.serve(set));
  }
  return outcome;
}

function mayRetry(set: ChangeSet, outcome: Outcome, { broken, made }: Branch): boolean {
  const { status, error, missing } = outcome;
  return (
    status === 'failed' &&
    set.maps.length > 0 &&
    broken === undefined &&
    error?.code !== ABORT_CODE &&
    error?.code !== 'ERR_TARGET_GONE' &&
    made.every(({ gone }) => gone === undefined) &&
    isEmpty(stuckOf(outcome)) &&
    (set.undo === true || isEmpty(missing))
  );
}

function isEmpty(list: readonly unknown[] | undefined): boolean {
  return list === undefined || list.length === 0;
}

/** Resolves after the delay; never when the subscription has ended. */
function passed(delay: number, subscription: Subscription): Promise<void> {
  return new SyncPromise((resolve, reject) => {
    subscription.add(
      timer(delay).subscribe({
        complete: () => {
          resolve();
        },
        error: reject,
      }),
    );
  });
}
