import { DmaError, toDmaError } from '../contracts/errors.js';
import { answerOf } from '../target/answers.js';
import { pauseIfOver } from '../util/time-slice.js';
import type { Finding } from '../contracts/finding.js';
import { MemoryRange, PAGE_SIZE } from '../ranges/memory-range.js';
import { eachInSlices, joinInSlices, mapInSlices, sortedInSlices } from '../ranges/slices.js';
import { waitFor, type Coroutine } from '../util/coroutine.js';
import { requestOf } from '../target/target-calls.js';
import type { TargetPort } from '../target/target-port.js';

/** All that a target can have mapped: the kernel maps neither into the last page of the address space nor over its end. */
const EVERYWHERE = MemoryRange.of(0n, (1n << 64n) - PAGE_SIZE);

/** What the number of its maps says about a target that can say no more: at most one finding. */
export function* findByCount(port: TargetPort): Coroutine<readonly Finding[]> {
  const held = yield* heldBy(port);
  const more = yield* surplus(port, held.length);
  if (more === undefined || more === 0) {
    return [];
  }
  const [first] = held;
  const last = held.at(-1);
  return more > 0 || first === undefined || last === undefined
    ? [{ range: EVERYWHERE, fault: 'unexpected' }]
    : [{ range: MemoryRange.of(first.start, last.end), fault: 'missing' }];
}

/**
 * Makes a target hold what its ledger has, when the number of its maps says that it does not: maps what is missing. What cannot be mapped is
 * missing in the ledger from then on.
 *
 * @param unexpected whether to unmap what lies between, where there are too many
 * @throws DmaError when the number is another still; where it is greater only if that was to be unmapped
 */
export function* mendByCount(port: TargetPort, unexpected: boolean): Coroutine<void> {
  const more = yield* surplus(port, (yield* heldBy(port)).length);
  if (more === undefined || more === 0) {
    return;
  }
  // Also where there are too many: of as many others some may be missing.
  yield* mapAgain(port);
  if (unexpected && ((yield* surplus(port, (yield* heldBy(port)).length)) ?? 0) > 0) {
    yield* unmapGaps(port);
  }
  const left = (yield* surplus(port, (yield* heldBy(port)).length)) ?? 0;
  // What is stuck by the ledger may be gone: it is unmapped once more in any case.
  if ((unexpected && left > 0) || left < -port.ledger.stuckCount) {
    const differs = `${Math.abs(left)} maps ${left > 0 ? 'more' : 'fewer'} than it should`;
    throw new DmaError(`the target holds ${differs}, and cannot say which`, {
      code: 'ERR_TARGET_DIFFERS',
      target: port.name,
      hint: 'is somebody else mapping there? If not, detach the target and attach it again',
    });
  }
}

/** How many maps more than the ledger the target holds; `undefined` where it cannot be asked for their number. */
function* surplus({ target }: TargetPort, expected: number): Coroutine<number | undefined> {
  if (target.mappedRanges !== undefined || target.mappedCount === undefined) {
    return undefined;
  }
  let count: unknown;
  try {
    count = yield* waitFor(answerOf(target.mappedCount()));
  } catch (error) {
    throw toDmaError(error, { fallbackCode: 'ERR_TARGET_FAILED', target: target.name });
  }
  if (count === undefined) {
    return undefined;
  }
  if (typeof count !== 'number' || !Number.isSafeInteger(count)) {
    throw new DmaError('the target does not say how much it holds', {
      code: 'ERR_TARGET_FAILED',
      target: target.name,
      hint: 'mappedCount() of a target returns a whole number, or undefined, or a promise of that',
    });
  }
  return count - expected;
}

function* mapAgain({ target, ledger }: TargetPort): Coroutine<void> {
  yield* ledger.materialize();
  for (const change of yield* ledger.heldInSlices()) {
    try {
      yield* waitFor(answerOf(target.mapDma(requestOf(change))));
    } catch (error) {
      if (toDmaError(error, { fallbackCode: 'ERR_TARGET_FAILED', target: target.name }).code !== 'EEXIST') {
        ledger.forget(change);
        ledger.markMissing(change);
      }
    }
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
}

function* unmapGaps(port: TargetPort): Coroutine<void> {
  const { target } = port;
  for (const gap of yield* gapsBetween(yield* heldBy(port))) {
    try {
      yield* waitFor(answerOf(target.unmapDma(gap)));
    } catch (error) {
      throw toDmaError(error, { fallbackCode: 'ERR_TARGET_FAILED', target: target.name, range: gap });
    }
    const pause = pauseIfOver();
    if (pause !== undefined) {
      yield pause;
    }
  }
}

/** What the target holds by its ledger, ascending. */
function* heldBy({ ledger }: TargetPort): Coroutine<readonly MemoryRange[]> {
  const stuck = yield* mapInSlices(yield* ledger.stuckEntries(), ({ mapping }) => mapping);
  const all = yield* sortedInSlices(yield* joinInSlices([yield* ledger.heldInSlices(), stuck]));
  return yield* mapInSlices(all, ({ range }) => range);
}

/** Ascending. */
function* gapsBetween(ranges: readonly MemoryRange[]): Coroutine<readonly MemoryRange[]> {
  const gaps: MemoryRange[] = [];
  let at = EVERYWHERE.start;
  yield* eachInSlices(ranges, ({ start, end }) => {
    if (at < start) {
      gaps.push(MemoryRange.of(at, start));
    }
    at = end;
  });
  if (at < EVERYWHERE.end) {
    gaps.push(MemoryRange.of(at, EVERYWHERE.end));
  }
  return gaps;
}
