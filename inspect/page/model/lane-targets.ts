import type { WireTarget } from '../../wire/messages.js';

export interface LaneTargets {
  /** Those that have a lane, in the order of the lanes. */
  readonly shown: readonly WireTarget[];
  /** How many come before them. */
  readonly from: number;
}

/**
 * Which targets have one of so many lanes: all, in their order. When there are more of them than lanes, those with problems come first, then those
 * that have not answered; of these the ones after the first `from`.
 */
export function laneTargets(targets: readonly WireTarget[], lanes: number, from: number): LaneTargets {
  if (targets.length <= lanes) {
    return { shown: targets, from: 0 };
  }
  const first = Math.max(0, Math.min(from, targets.length - lanes));
  const ordered = [...targets].sort((a, b) => urgency(a) - urgency(b));
  return { shown: ordered.slice(first, first + lanes), from: first };
}

function urgency({ stuck, missing, pendingSince }: WireTarget): number {
  return stuck + missing > 0 ? 0 : pendingSince !== undefined ? 1 : 2;
}
