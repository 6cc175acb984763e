import type { AttachmentHandle } from './attachment-handle.js';
import { mappingOf } from '../changes/mapping.js';
import type { MapChange } from '../contracts/change-set.js';
import { DmaError } from '../contracts/errors.js';
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
import type { Coroutine } from '../util/coroutine.js';
import { findByCount, healByCount } from './count-verification.js';
import type { TargetPort } from '../target/target-port.js';

interface HeldRange {
  readonly range: MemoryRange;
}

/** The differences between a target that lists its mappings and its ledger. */
interface LedgerDifference {
  /** In the ledger, not at the target. */
  readonly lost: readonly MapChange[];
  /** At the target, not in the ledger. */
  readonly unexpected: readonly HeldRange[];
  /** Stuck in the ledger, but not at the target. */
  readonly noLongerStuck: readonly MapChange[];
}

/**
 * Compares each ledger with its target. What the ledger itself records as missing or stuck is found at every target.
 * Ascending.
 */
export function* findFaults(handle: AttachmentHandle): Coroutine<readonly Finding[]> {
  if (handle.phase === 'gone') {
    return []; // The target may be attached elsewhere.
  }
  const findings: (readonly Finding[])[] = [];
  for (const ledger of handle.ledgers.list) {
    if (handle.phase === 'attached') {
      findings.push(yield* mapInSlices(yield* entriesInSlices(ledger.missingByAddress), findingOf('missing')));
    }
    findings.push(yield* mapInSlices(yield* ledger.stuck.entries(), findingOf('stuck')));
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
 * Records in the ledgers what the targets really hold: mappings that are lost as missing, unexpected ones as stuck, so
 * that `heal` can map and unmap them. Returns the ranges that are no longer stuck.
 */
export function* recordActual(
  handle: AttachmentHandle,
  { unexpected: unmapUnexpected }: HealOptions,
): Coroutine<readonly MemoryRange[]> {
  const released: MemoryRange[] = [];
  for (const port of handle.ports) {
    yield* healByCount(port, unmapUnexpected ?? false);
    const { ledger } = port;
    const { lost, unexpected, noLongerStuck } = yield* compare(port);
    if (lost.length > 0 || unexpected.length > 0) {
      yield* ledger.materialize();
    }
    yield* eachInSlices(lost, (change) => {
      ledger.markMissing(change);
    });
    yield* eachInSlices(noLongerStuck, ({ range }) => {
      ledger.stuck.remove(range);
      released.push(range);
    });
    yield* eachInSlices((unmapUnexpected ?? true) ? unexpected : [], ({ range }) => {
      ledger.stuck.add({ range, region: '', type: 'ram', writable: false, backing: 'private' }, -1);
    });
  }
  return released;
}

function* compare(port: TargetPort): Coroutine<LedgerDifference> {
  const { ledger } = port;
  if (!port.has('mappedRanges')) {
    return { lost: [], unexpected: [], noLongerStuck: [] };
  }
  const actual = new RangeMap<HeldRange>();
  yield* eachInSlices(yield* rangesAt(port), (range) => {
    actual.insert({ range });
  });
  const isLost = ({ range }: HeldRange): boolean => actual.startingAt(range.startPage)?.range.equals(range) !== true;
  const held = yield* ledger.heldInSlices();
  const stuck = yield* mapInSlices(yield* ledger.stuck.entries(), mappingOf);
  const lost = yield* filterInSlices(held, isLost);
  const noLongerStuck = yield* filterInSlices(stuck, isLost);
  yield* eachInSlices(yield* joinInSlices([held, stuck]), ({ range }) => {
    actual.removeExact(range);
  });
  return { lost, noLongerStuck, unexpected: yield* entriesInSlices(actual) };
}

/** @throws DmaError when the target cannot list what it holds, or returns something else */
function* rangesAt(port: TargetPort): Coroutine<readonly MemoryRange[]> {
  const { target } = port;
  const held = yield* port.answerOf(() => target.mappedRanges?.());
  if (!Array.isArray(held) || (yield* filterInSlices(held, isNoRange)).length > 0) {
    throw new DmaError('the target did not return a list of ranges', {
      code: 'ERR_TARGET_FAILED',
      target: port.name,
      hint: 'mappedRanges() of a target returns an array of MemoryRange, or a promise of one',
    });
  }
  return held as readonly MemoryRange[];
}

function isNoRange(range: unknown): boolean {
  return !(range instanceof MemoryRange);
}
