import { answerOf } from './answers.js';
import { ascending } from './ascending.js';
import { append } from './append.js';
import type { AttachmentHandle } from './attachment.js';
import type { MapChange } from './change-set.js';
import type { DmaTarget } from './dma-target.js';
import { DmaError, toDmaError } from './errors.js';
import type { Finding, HealOptions } from './finding.js';
import { MemoryRange } from './memory-range.js';
import { RangeMap } from './range-map.js';
import { settled, type Steps } from './steps.js';
import { findByCount, mendByCount } from './verification-by-count.js';
import type { TargetPort } from './target-port.js';

/** How a target that can be asked differs from its ledger. */
interface Difference {
  /** In the ledger, not at the target. */
  readonly lost: readonly MapChange[];
  /** At the target, not in the ledger. */
  readonly unexpected: readonly MemoryRange[];
  /** Stuck by the ledger, but no longer at the target. */
  readonly loosened: readonly MapChange[];
}

/** Compares each ledger with its target. What is missing or stuck by the ledger itself is found at any target. Ascending. */
export function* findFaults(handle: AttachmentHandle): Steps<readonly Finding[]> {
  const findings: Finding[] = [];
  if (handle.phase === 'gone') {
    return findings; // What the target holds is no longer the business of this attachment.
  }
  for (const ledger of handle.ledgers) {
    if (handle.phase === 'attached') {
      append(
        findings,
        ledger.missing().map(({ range }): Finding => ({ range, fault: 'missing' })),
      );
    }
    append(
      findings,
      ledger.stuck().map(({ range }): Finding => ({ range, fault: 'stuck' })),
    );
  }
  for (const port of handle.ports) {
    append(findings, yield* findByCount(port));
    const { lost, unexpected } = yield* compare(port);
    append(
      findings,
      lost.map(({ range }): Finding => ({ range, fault: 'missing' })),
    );
    append(
      findings,
      unexpected.map((range): Finding => ({ range, fault: 'unexpected' })),
    );
  }
  return ascending(findings);
}

/**
 * Puts what targets really hold into their ledgers, as missing and stuck, so that it can be mended. Returns what was stuck and is
 * no longer held.
 */
export function* adopt(handle: AttachmentHandle, { unexpected: ends }: HealOptions): Steps<readonly MemoryRange[]> {
  const loose: MemoryRange[] = [];
  for (const port of handle.ports) {
    yield* mendByCount(port, ends ?? false);
    const { lost, unexpected, loosened } = yield* compare(port);
    for (const change of lost) {
      port.ledger.drop(change);
      port.ledger.miss(change);
    }
    for (const change of loosened) {
      port.ledger.forgetStuck(change.range);
      loose.push(change.range);
    }
    for (const range of (ends ?? true) ? unexpected : []) {
      port.ledger.stick({ range, region: '', type: 'ram', writable: false, backing: 'private' }, -1);
    }
  }
  return loose;
}

function* compare({ target, ledger }: TargetPort): Steps<Difference> {
  if (target.mappedRanges === undefined) {
    return { lost: [], unexpected: [], loosened: [] };
  }
  const actual = new RangeMap<{ readonly range: MemoryRange }>();
  for (const range of yield* ask(target)) {
    actual.insert({ range });
  }
  const isHeld = ({ range }: MapChange): boolean => actual.startingAt(range.startPage)?.range.equals(range) === true;
  const held = ledger.held();
  const stuck = ledger.stuck();
  const lost = held.filter((change) => !isHeld(change));
  const loosened = stuck.filter((change) => !isHeld(change));
  for (const { range } of [...held, ...stuck]) {
    if (actual.startingAt(range.startPage)?.range.equals(range) === true) {
      actual.remove(range);
    }
  }
  return { lost, loosened, unexpected: Array.from(actual, ({ range }) => range) };
}

/** @throws DmaError when the target cannot say what it holds, or says something else */
function* ask(target: DmaTarget): Steps<readonly MemoryRange[]> {
  let held: unknown;
  try {
    held = yield* settled(answerOf(target.mappedRanges?.()));
  } catch (error) {
    throw toDmaError(error, { fallbackCode: 'ERR_TARGET_FAILED', target: target.name });
  }
  if (!Array.isArray(held) || !held.every((range) => range instanceof MemoryRange)) {
    throw new DmaError('the target does not say what it holds', {
      code: 'ERR_TARGET_FAILED',
      target: target.name,
      hint: 'mappedRanges() of a target returns an array of MemoryRange, or a promise of one',
    });
  }
  return held;
}
