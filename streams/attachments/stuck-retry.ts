import type { Receiver } from '../branches/receiver.js';
import { inverse, unmapOf } from '../changes/managed-set.js';
import { mappingOf } from '../changes/mapping.js';
import { uniqueInSlices } from '../changes/unique.js';
import type { DmaError } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { mapInSlices } from '../ranges/slices.js';
import type { Ledger } from '../target/ledger.js';
import type { TargetPort } from '../target/target-port.js';
import { waitFor, type Coroutine } from '../util/coroutine.js';
import { pauseIfOver } from '../util/time-slice.js';

/** The ranges of the stuck mappings that were unmapped again, and the last failure. */
export interface StuckRetry {
  readonly tried: readonly MemoryRange[];
  readonly error: DmaError | undefined;
}

/** Unmaps again what is stuck at these targets, the last target first; only over `ranges` when they are given. */
export function* unmapStuckAt(
  ports: readonly TargetPort[],
  generation: number,
  ranges?: readonly MemoryRange[],
): Coroutine<StuckRetry> {
  const tried: MemoryRange[] = [];
  let error: DmaError | undefined;
  for (const port of ports.toReversed()) {
    for (const { mapping } of yield* port.ledger.stuck.entries(ranges)) {
      tried.push(mapping.range);
      error = (yield* port.unmapStuck(mapping, generation)) ?? error;
      const pause = pauseIfOver();
      if (pause !== undefined) {
        yield pause;
      }
    }
  }
  return { tried, error };
}

/** As `unmapStuckAt`, for a branch whose targets are not known: all in one set. */
export function* unmapAssumedStuck(
  ledger: Ledger,
  branch: Pick<Receiver, 'serve'>,
  generation: number,
  ranges?: readonly MemoryRange[],
): Coroutine<StuckRetry> {
  const stuck = yield* mapInSlices(yield* ledger.stuck.entries(ranges), mappingOf);
  const unmaps = yield* mapInSlices(yield* uniqueInSlices([stuck]), unmapOf);
  const outcome = unmaps.length === 0 ? undefined : yield* waitFor(branch.serve(inverse(generation, unmaps, [])));
  return { tried: yield* mapInSlices(unmaps, ({ range }) => range), error: outcome?.error };
}
