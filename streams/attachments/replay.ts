import { waitUntilAborted } from '../util/abort.js';
import type { AttachOptions } from './attachment.js';
import type { AttachmentHandle } from './attachment-handle.js';
import { abortError, listOf, mapFailure, unansweredAbort } from '../branches/command-errors.js';
import { failureOf, type MapFailure } from '../branches/delivery-result.js';
import { ManagedSet, inverse } from '../changes/managed-set.js';
import type { DmaError, TargetRange } from '../contracts/errors.js';
import { PAGE_SIZE } from '../ranges/memory-range.js';
import type { Monitor } from '../target/monitor.js';
import { waitFor, type Coroutine } from '../util/coroutine.js';
import { callUser } from '../util/user-callback.js';
import type { View } from '../view/view.js';

interface ReplayOptions {
  readonly view: View;
  readonly warn: (warning: DmaError) => void;
  readonly blockersOf: (failure: MapFailure) => Coroutine<readonly TargetRange[]>;
}

/**
 * Maps all active mappings at a new attachment.
 *
 * On failure: everything that was mapped is unmapped, except for what is stuck.
 *
 * @throws DmaMapError when a map fails; DmaError `ABORT_ERR` when the signal is aborted, also when a call has not been
 * answered
 */
export function* replay(
  handle: AttachmentHandle,
  { signal, onProgress }: AttachOptions,
  { view, warn, blockersOf }: ReplayOptions,
): Coroutine<void> {
  const maps = yield* view.all();
  const { generation } = view;
  handle.monitor = monitorOf(signal, onProgress);
  const replay = handle.serve(
    new ManagedSet({ active: view, removed: [], addressOf: undefined }, generation, [], maps, true),
  );
  const outcome = yield* waitFor(waitUntilAborted(replay, signal));
  if (outcome === undefined) {
    throw unansweredAbort(handle.unanswering, signal?.reason);
  }
  for (const skipped of outcome.skipped) {
    warn(skipped);
  }
  const isAborted = signal?.aborted === true;
  if (outcome.status === 'failed' || isAborted) {
    // A branch that has ended has undone nothing; nor has one that was served completely before the abort.
    const undone = yield* unmapAll(handle, generation);
    if (outcome.error !== undefined && !isAborted) {
      const failure = failureOf(outcome, outcome.error);
      throw mapFailure(
        failure,
        { undone: [...(outcome.undone ?? []), ...undone], missing: [], stuck: yield* handle.ledgers.stuck() },
        yield* blockersOf(failure),
      );
    }
    const stuck = yield* handle.ledgers.stuck();
    throw abortError(
      stuck.length === 0
        ? 'the attach was aborted, and what it had mapped was unmapped'
        : `the attach was aborted, but ${listOf(stuck, ({ range }) => range.toString())} could not be unmapped: attaching the target again tries again`,
      signal?.reason,
    );
  }
  handle.monitor = undefined;
}

/** Unmaps what the ledgers hold after the replay, newest first. Returns what was unmapped. */
function* unmapAll(handle: AttachmentHandle, generation: number): Coroutine<readonly TargetRange[]> {
  const unmaps = (yield* handle.ledgers.unmapsOfAll()).toReversed();
  return unmaps.length === 0 ? [] : ((yield* waitFor(handle.serve(inverse(generation, unmaps, [])))).undone ?? []);
}

/** The monitor of a replay, if there is anything to observe. It counts pages, and reports bytes. */
function monitorOf(signal: AbortSignal | undefined, onProgress: AttachOptions['onProgress']): Monitor | undefined {
  if (onProgress === undefined) {
    return signal === undefined ? undefined : { signal };
  }
  let total = 0;
  let done = 0;
  const inBytes = (pages: number): bigint => BigInt(pages) * PAGE_SIZE;
  return {
    signal,
    onBegin: (pages) => {
      total += pages;
    },
    onServed: (pages) => {
      done += pages;
      callUser(() => {
        onProgress({ done: inBytes(done), total: inBytes(total) });
      });
    },
  };
}
