import { DmaError, type TargetRange } from '../../streams/index.js';
import { causeOf, messageOf } from '../errors.js';

/** What went wrong at one target, in full: who, where, why, and what to do. What the error does not say is left out. */
export interface Problem {
  readonly target?: string;
  readonly region?: string;
  readonly range?: string;
  /** `'EINVAL'` */
  readonly code?: string;
  readonly reason: string;
  readonly hint?: string;
}

export interface Place {
  readonly target: string;
  readonly range: string;
}

/** Memory of a device that a target could not map: that target goes on without it. */
export interface SkippedSection extends Problem {
  /** The number of the commit in the trace. */
  readonly commit: number;
}

/** A commit that failed. */
export interface CommitFailure extends Problem {
  readonly commit: number;
  /** Whether the guest sees it all the same: when only an unmap failed. */
  readonly tookEffect: boolean;
  /** What a target holds and should not, and what it does not hold and should. Left out when empty. */
  readonly stuck?: readonly Place[];
  readonly missing?: readonly Place[];
}

/** Whether a warning of the region manager is about memory of a device that was skipped. */
export function isSkip({ target, region, range }: DmaError): boolean {
  return target !== undefined && region !== undefined && range !== undefined;
}

/** What the error of a command says about itself, and the one that caused it about the target. */
export function problemOf(error: Error): Problem {
  const cause = causeOf(error);
  return { ...detailsOf(error), ...detailsOf(cause), reason: messageOf(cause) };
}

export function commitFailureOf(commit: number, tookEffect: boolean, error: Error): CommitFailure {
  return { commit, tookEffect, ...problemOf(error), ...rangesOf(error, 'stuck'), ...rangesOf(error, 'missing') };
}

function detailsOf(error: Error): Omit<Problem, 'reason'> {
  if (!(error instanceof DmaError)) {
    return {};
  }
  const { target, region, range, code, hint } = error;
  return {
    ...(target === undefined ? {} : { target }),
    ...(region === undefined ? {} : { region }),
    ...(range === undefined ? {} : { range: range.toString() }),
    code,
    ...(hint === undefined ? {} : { hint }),
  };
}

function rangesOf(error: Error, key: 'stuck' | 'missing'): Pick<CommitFailure, 'stuck' | 'missing'> {
  const ranges = (error as Partial<Record<typeof key, readonly TargetRange[]>>)[key] ?? [];
  return ranges.length === 0 ? {} : { [key]: ranges.map(({ target, range }) => ({ target, range: range.toString() })) };
}
