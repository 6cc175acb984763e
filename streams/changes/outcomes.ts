import type { ChangeSet, Outcome } from '../contracts/change-set.js';
import { DmaError, DmaUnmapError, toDmaError, type TargetRange } from '../contracts/errors.js';
import { MemoryRange } from '../ranges/memory-range.js';
import { isObject, show } from '../util/checks.js';
import { EMPTY_LIST } from '../util/lists.js';

/** The optional details of an outcome. */
export type OutcomeDetails = {
  readonly [Key in 'failedAt' | 'undone' | 'stuck' | 'missing']?: Outcome[Key] | undefined;
};

const RANGE_LIST_KEYS = ['undone', 'stuck', 'missing'] as const;

/** Lists made by this library. They may be long, and their elements are not checked. */
const ownLists = new WeakSet<readonly TargetRange[]>();

/** A copy of the outcome with the details that are not `undefined`. */
export function withDetails(outcome: Outcome, { failedAt, undone, stuck, missing }: OutcomeDetails): Outcome {
  for (const list of [undone, stuck, missing]) {
    if (list !== undefined) {
      ownLists.add(list);
    }
  }
  return {
    ...outcome,
    ...(failedAt === undefined ? {} : { failedAt }),
    ...(undone === undefined ? {} : { undone }),
    ...(stuck === undefined ? {} : { stuck }),
    ...(missing === undefined ? {} : { missing }),
  };
}

/** The maps whose unmap failed, if the outcome or its error lists them. */
export function stuckOf({ stuck, error }: Outcome): readonly TargetRange[] | undefined {
  return stuck ?? (error instanceof DmaUnmapError ? error.stuck : undefined);
}

/**
 * Checks a value that a branch emitted as an outcome. A well-formed outcome is returned unchanged. Otherwise returns a corrected copy: errors that
 * are missing or are not a `DmaError` are replaced by one, and other members of the wrong type by a default.
 *
 * @param onWrong called with a text for each member of the wrong type, except errors
 * @returns if the value cannot be used as an outcome, a text that says what it is
 */
export function checkedOutcome(answer: unknown, set: ChangeSet, onWrong: (problem: string) => void): Outcome | string {
  try {
    if (typeof answer !== 'object' || answer === null) {
      return show(answer);
    }
    const { status, skipped } = answer as Partial<Outcome>;
    if ((status !== 'applied' && status !== 'failed') || !Array.isArray(skipped)) {
      return show(answer);
    }
    const outcome = answer as Outcome;
    return isWellFormed(outcome) ? outcome : correctedOutcome(outcome, set, onWrong);
  } catch (error) {
    return `an object that cannot be read (${toDmaError(error, { fallbackCode: 'ERR_BAD_OUTCOME' }).message})`;
  }
}

function isWellFormed({
  generation,
  target,
  status,
  skipped,
  error,
  failedAt,
  undone,
  stuck,
  missing,
}: Outcome): boolean {
  return (
    typeof generation === 'number' &&
    typeof target === 'string' &&
    (skipped.length === 0 || skipped.every(isDmaError)) &&
    (error === undefined ? status === 'applied' : isDmaError(error)) &&
    (failedAt === undefined || isFailedAt(failedAt)) &&
    (undone === undefined || isTargetRangeList(undone)) &&
    (stuck === undefined || isTargetRangeList(stuck)) &&
    (missing === undefined || isTargetRangeList(missing))
  );
}

function correctedOutcome(outcome: Outcome, set: ChangeSet, onWrong: (problem: string) => void): Outcome {
  const { generation, target, status, skipped, error, ...others }: { readonly [Key in keyof Outcome]: unknown } =
    outcome;
  const wrong = (key: string, needed: string, value: unknown): void => {
    onWrong(`${key} of an outcome must be ${needed}, not ${show(value)}`);
  };
  const copy: Record<string, unknown> = { ...others, generation, target, status };
  if (typeof generation !== 'number') {
    wrong('generation', 'a number', generation);
    copy['generation'] = set.generation;
  }
  if (typeof target !== 'string') {
    wrong('target', 'a string', target);
    copy['target'] = 'branch';
  }
  const toError = (thrown: unknown): DmaError =>
    toDmaError(thrown, { fallbackCode: 'ERR_TARGET_FAILED', target: copy['target'] as string });
  copy['skipped'] = (skipped as readonly unknown[]).map(toError);
  if (status === 'failed') {
    copy['error'] = toError(error ?? 'the branch failed and gave no error');
  } else if (error !== undefined && error !== null) {
    copy['error'] = toError(error);
  }
  if (others.failedAt !== undefined && !isFailedAt(others.failedAt)) {
    wrong('failedAt', '{ target, region, range }', others.failedAt);
    copy['failedAt'] = undefined;
  }
  for (const key of RANGE_LIST_KEYS) {
    const list = others[key];
    if (list !== undefined && !isTargetRangeList(list)) {
      wrong(key, 'a list of { target, range }', list);
      copy[key] = undefined;
    }
  }
  return copy as unknown as Outcome;
}

function isDmaError(value: unknown): value is DmaError {
  return value instanceof DmaError;
}

function isTargetRange(value: unknown): value is TargetRange {
  if (!isObject(value)) {
    return false;
  }
  const { target, range } = value as Partial<TargetRange>;
  return typeof target === 'string' && range instanceof MemoryRange;
}

function isFailedAt(value: unknown): boolean {
  return isTargetRange(value) && typeof (value as { readonly region?: unknown }).region === 'string';
}

function isTargetRangeList(value: unknown): boolean {
  return Array.isArray(value) && (ownLists.has(value) || value.every(isTargetRange));
}

/** Collects the result of one set. */
export class SetResult implements OutcomeDetails {
  error: DmaError | undefined = undefined;
  failedAt: OutcomeDetails['failedAt'] = undefined;
  skipped: readonly DmaError[] = EMPTY_LIST;
  declare undone?: readonly TargetRange[];
  declare stuck?: readonly TargetRange[];
  declare missing?: readonly TargetRange[];

  add(list: (typeof RANGE_LIST_KEYS)[number], range: TargetRange): void {
    ((this[list] ??= []) as TargetRange[]).push(range);
  }

  /** Adds the lists of the inverse set that has undone this one. */
  addUndo(undo: Outcome): void {
    for (const list of RANGE_LIST_KEYS) {
      const [own, more] = [this[list], undo[list]];
      if (more !== undefined) {
        this[list] = own === undefined ? more : [...own, ...more];
      }
    }
  }

  skip(error: DmaError): void {
    if (this.skipped === EMPTY_LIST) {
      this.skipped = [error];
    } else {
      (this.skipped as DmaError[]).push(error);
    }
  }

  /** The target is gone: this is the error of the set, and nothing is stuck or missing. */
  endAs(gone: DmaError | undefined): void {
    this.error = gone;
    this.stuck = EMPTY_LIST;
    delete this.missing;
  }

  outcome(generation: number, target: string): Outcome {
    const { skipped, error } = this;
    if (error === undefined) {
      const outcome: Outcome = { generation, target, status: 'applied', skipped };
      return this.undone === undefined ? outcome : withDetails(outcome, this);
    }
    return withDetails({ generation, target, status: 'failed', skipped, error }, this);
  }
}
