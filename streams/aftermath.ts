import type { Outcome } from './change-set.js';
import { DmaUnmapError, type TargetRange } from './errors.js';
import type { MemoryRange } from './memory-range.js';

/** What a branch knows of a set besides its outcome. */
export interface SetAftermath {
  /** The map that the outcome's error is of. */
  readonly failedAt?: { readonly target: string; readonly region: string; readonly range: MemoryRange } | undefined;
  /** Maps that were taken back. */
  readonly undone?: readonly TargetRange[];
  /** Unmaps that failed. */
  readonly stuck?: readonly TargetRange[];
  /** Maps of an inverse set that failed. */
  readonly missing?: readonly TargetRange[];
}

/** Beside the outcomes, not in them: an outcome stays the plain record that a branch of any make can give. */
const aftermaths = new WeakMap<Outcome, SetAftermath>();

/** Of an outcome of which nothing else is known. */
export const NOTHING: SetAftermath = Object.freeze({});

/** Adds what is known to an outcome, and returns it. */
export function noteAftermath(outcome: Outcome, aftermath: SetAftermath): Outcome {
  aftermaths.set(outcome, aftermath);
  return outcome;
}

export function aftermathOf(outcome: Outcome): SetAftermath {
  return aftermaths.get(outcome) ?? NOTHING;
}

/** Which unmaps of a set failed, if the branch knows: by itself, or by an error that says so. */
export function stuckOf(outcome: Outcome): readonly TargetRange[] | undefined {
  return aftermathOf(outcome).stuck ?? (outcome.error instanceof DmaUnmapError ? outcome.error.stuck : undefined);
}
