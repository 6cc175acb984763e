import { mappingOf } from '../changes/mapping.js';
import { DmaError } from '../contracts/errors.js';
import { pauseIfOver } from '../util/time-slice.js';
import type { Finding } from '../contracts/finding.js';
import { MemoryRange, PAGE_SIZE } from '../ranges/memory-range.js';
import { eachInSlices, joinInSlices, mapInSlices, sortedInSlices } from '../ranges/slices.js';
import type { Coroutine } from '../util/coroutine.js';
import { requestOf } from '../target/target-calls.js';
import type { TargetPort } from '../target/target-port.js';

/**
 * All addresses that a target can map: the kernel maps neither the last page of the address space nor beyond its end.
 */
const MAPPABLE_RANGE = MemoryRange.of(0n, (1n << 64n) - PAGE_SIZE);

/** Compares the number of mappings of a target that can only count them with its ledger: at most one finding. */
export function* findByCount(port: TargetPort): Coroutine<readonly Finding[]> {
  const held = yield* heldBy(port);
  const more = yield* excess(port, held.length);
  if (more === undefined || more === 0) {
    return [];
  }
  const [first] = held;
  const last = held.at(-1);
  return more > 0 || first === undefined || last === undefined
    ? [{ range: MAPPABLE_RANGE, fault: 'unexpected' }]
    : [{ range: MemoryRange.of(first.start, last.end), fault: 'missing' }];
}

/**
 * Repairs a target that can only count its mappings, when their number differs from that of its ledger: maps again
 * everything in the ledger. A mapping that cannot be mapped is missing in the ledger afterwards.
 *
 * @param unexpected whether to unmap the gaps between the mappings of the ledger when there are too many
 * @throws DmaError `ERR_TARGET_DIFFERS` when the number still differs; when it is greater only if `unexpected` is set
 */
export function* healByCount(port: TargetPort, unexpected: boolean): Coroutine<void> {
  const more = yield* excess(port, (yield* heldBy(port)).length);
  if (more === undefined || more === 0) {
    return;
  }
  // Also when there are too many: some mappings of the ledger may be missing as well.
  yield* mapAgain(port);
  if (unexpected && ((yield* excess(port, (yield* heldBy(port)).length)) ?? 0) > 0) {
    yield* unmapGaps(port);
  }
  const left = (yield* excess(port, (yield* heldBy(port)).length)) ?? 0;
  // A mapping that is stuck in the ledger may be gone at the target. It is not missing: retryStuck() unmaps it again.
  if ((unexpected && left > 0) || left < -port.ledger.stuck.size) {
    const count = Math.abs(left);
    const differs = `${count} maps ${left > 0 ? 'more' : 'fewer'} than it should`;
    throw new DmaError(`the target holds ${differs}, and cannot list them`, {
      code: 'ERR_TARGET_DIFFERS',
      target: port.name,
      hint: 'check whether something else maps in the same container; if not, detach the target and attach it again',
    });
  }
}

/**
 * The number of mappings at the target that exceeds `expected`; `undefined` when the target does not count them, or
 * lists them.
 */
function* excess(port: TargetPort, expected: number): Coroutine<number | undefined> {
  const { target } = port;
  if (port.has('mappedRanges') || !port.has('mappedCount')) {
    return undefined;
  }
  const count = yield* port.answerOf(() => target.mappedCount?.());
  if (count === undefined) {
    return undefined;
  }
  if (typeof count !== 'number' || !Number.isSafeInteger(count)) {
    throw new DmaError('the target did not return a number of mappings', {
      code: 'ERR_TARGET_FAILED',
      target: port.name,
      hint: 'mappedCount() of a target returns a whole number, or undefined, or a promise of that',
    });
  }
  return count - expected;
}

/**
 * Maps everything in the ledger again: a target that holds a mapping already fails with `EEXIST`.
 *
 * @throws DmaError when the target is gone
 */
function* mapAgain(port: TargetPort): Coroutine<void> {
  const { target, ledger } = port;
  yield* ledger.materialize();
  for (const change of yield* ledger.heldInSlices()) {
    try {
      yield* port.answerOf(() => target.mapDma(requestOf(change, change.hostVa)));
    } catch (error) {
      if (port.gone !== undefined) {
        throw error;
      }
      if ((error as DmaError).code !== 'EEXIST') {
        ledger.markMissing(change);
      }
    }
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
}

/** @throws DmaError of the target */
function* unmapGaps(port: TargetPort): Coroutine<void> {
  const { target } = port;
  for (const gap of yield* gapsBetween(yield* heldBy(port))) {
    yield* port.answerOf(() => target.unmapDma(gap), { range: gap });
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
}

/** The ranges that the target holds according to its ledger, including stuck ones. Ascending. */
function* heldBy({ ledger }: TargetPort): Coroutine<readonly MemoryRange[]> {
  const stuck = yield* mapInSlices(yield* ledger.stuck.entries(), mappingOf);
  const all = yield* sortedInSlices(yield* joinInSlices([yield* ledger.heldInSlices(), stuck]));
  return yield* mapInSlices(all, ({ range }) => range);
}

/** The gaps between ascending ranges, ascending, up to the limits of the address space. */
function* gapsBetween(ranges: readonly MemoryRange[]): Coroutine<readonly MemoryRange[]> {
  const gaps: MemoryRange[] = [];
  let at = MAPPABLE_RANGE.start;
  yield* eachInSlices(ranges, ({ start, end }) => {
    if (at < start) {
      gaps.push(MemoryRange.of(at, start));
    }
    at = end;
  });
  if (at < MAPPABLE_RANGE.end) {
    gaps.push(MemoryRange.of(at, MAPPABLE_RANGE.end));
  }
  return gaps;
}
