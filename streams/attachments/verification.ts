import { answerOf } from '../target/answers.js';
import type { AttachmentHandle } from './attachment-handle.js';
import type { MapChange } from '../contracts/change-set.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import { DmaError, toDmaError } from '../contracts/errors.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { RangeMap } from '../ranges/range-map.js';
import {
  eachInSlices,
  entriesInSlices,
  filterInSlices,
  joinInSlices,
  mapInSlices,
  sortedInSlices,
} from '../ranges/slices.js';
import { waitFor, type Coroutine } from '../util/coroutine.js';
import { findByCount, mendByCount } from './count-verification.js';
import type { TargetPort } from '../target/target-port.js';

interface Held {
  readonly range: MemoryRange;
}

/** How a target that can be asked differs from its ledger. */
interface Difference {
  /** In the ledger, not at the target. */
  readonly lost: readonly MapChange[];
  /** At the target, not in the ledger. */
  readonly unexpected: readonly Held[];
  /** Stuck by the ledger, but no longer at the target. */
  readonly loosened: readonly MapChange[];
}

/** Compares each ledger with its target. What is missing or stuck by the ledger itself is found at any target. Ascending. */
export function* findFaults(handle: AttachmentHandle): Coroutine<readonly Finding[]> {
  if (handle.phase === 'gone') {
    return []; // What the target holds is no longer the business of this attachment.
  }
  const findings: (readonly Finding[])[] = [];
  for (const ledger of handle.ledgers) {
    if (handle.phase === 'attached') {
      findings.push(yield* mapInSlices(yield* ledger.missingInSlices(), findingOf('missing')));
    }
    findings.push(yield* mapInSlices(yield* ledger.stuckEntries(), findingOf('stuck')));
  }
  for (const port of handle.ports) {
    findings.push(yield* findByCount(port));
    const { lost, unexpected } = yield* compare(port);
    findings.push(yield* mapInSlices(lost, findingOf('missing')));
    findings.push(yield* mapInSlices(unexpected, findingOf('unexpected')));
  }
  return yield* sortedInSlices(yield* joinInSlices(findings));
}

function findingOf(fault: Finding['fault']): (at: { readonly range: MemoryRange }) => Finding {
  return ({ range }) => ({ range, fault });
}

/**
 * Puts what targets really hold into their ledgers, as missing and stuck, so that it can be mended. Returns what was stuck and is
 * no longer held.
 */
export function* recordActual(
  handle: AttachmentHandle,
  { unexpected: ends }: HealOptions,
): Coroutine<readonly MemoryRange[]> {
  const loose: MemoryRange[] = [];
  for (const port of handle.ports) {
    yield* mendByCount(port, ends ?? false);
    const { ledger } = port;
    const { lost, unexpected, loosened } = yield* compare(port);
    if (lost.length > 0 || unexpected.length > 0) {
      yield* ledger.materialize();
    }
    yield* eachInSlices(lost, (change) => {
      ledger.forget(change);
      ledger.markMissing(change);
    });
    yield* eachInSlices(loosened, ({ range }) => {
      ledger.clearStuck(range);
      loose.push(range);
    });
    yield* eachInSlices((ends ?? true) ? unexpected : [], ({ range }) => {
      ledger.markStuck({ range, region: '', type: 'ram', writable: false, backing: 'private' }, -1);
    });
  }
  return loose;
}

function* compare({ target, ledger }: TargetPort): Coroutine<Difference> {
  if (target.mappedRanges === undefined) {
    return { lost: [], unexpected: [], loosened: [] };
  }
  const actual = new RangeMap<Held>();
  yield* eachInSlices(yield* ask(target), (range) => {
    actual.insert({ range });
  });
  const isLost = ({ range }: Held): boolean => actual.startingAt(range.startPage)?.range.equals(range) !== true;
  const held = yield* ledger.heldInSlices();
  const stuck = yield* mapInSlices(yield* ledger.stuckEntries(), ({ mapping }) => mapping);
  const lost = yield* filterInSlices(held, isLost);
  const loosened = yield* filterInSlices(stuck, isLost);
  yield* eachInSlices(yield* joinInSlices([held, stuck]), ({ range }) => {
    actual.removeExact(range);
  });
  return { lost, loosened, unexpected: yield* entriesInSlices(actual) };
}

/** @throws DmaError when the target cannot say what it holds, or says something else */
function* ask(target: DmaTarget): Coroutine<readonly MemoryRange[]> {
  let held: unknown;
  try {
    held = yield* waitFor(answerOf(target.mappedRanges?.()));
  } catch (error) {
    throw toDmaError(error, { fallbackCode: 'ERR_TARGET_FAILED', target: target.name });
  }
  if (!Array.isArray(held) || (yield* filterInSlices(held, isNoRange)).length > 0) {
    throw new DmaError('the target does not say what it holds', {
      code: 'ERR_TARGET_FAILED',
      target: target.name,
      hint: 'mappedRanges() of a target returns an array of MemoryRange, or a promise of one',
    });
  }
  return held as readonly MemoryRange[];
}

function isNoRange(range: unknown): boolean {
  return !(range instanceof MemoryRange);
}
