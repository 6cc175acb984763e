import {
  DmaError,
  DmaMapError,
  DmaUnmapError,
  withoutCode,
  type DmaErrorDetails,
  type TargetRange,
} from '../contracts/errors.js';
import { ABORT_CODE } from '../util/abort.js';
import type { MapFailure } from './delivery-result.js';

/** What a command rejects with, made of what a target said. */

/** A map failed, and everything was undone. `blockers`: what kept it from being made, stuck since before. */
export function mapFailure(
  { error: cause, target, region, range }: MapFailure,
  aftermath: {
    readonly undone: readonly TargetRange[];
    readonly missing: readonly TargetRange[];
    readonly stuck: readonly TargetRange[];
  },
  blockers: readonly TargetRange[] = [],
): DmaMapError {
  const { missing, stuck } = aftermath;
  const left =
    missing.length === 0 && stuck.length === 0
      ? 'everything was undone'
      : `undone, but for ${missing.length} mappings that could not be put back and ${stuck.length} that could not be unmapped`;
  return new DmaMapError(
    `a mapping failed, ${left}: ${withoutCode(cause)}`,
    { ...known(cause, { target, region, range }), hint: hintFor(cause, missing.length + stuck.length) },
    blockers.length === 0 ? aftermath : { ...aftermath, stuck: withoutTwins([...stuck, ...blockers]) },
  );
}

function withoutTwins(ranges: readonly TargetRange[]): TargetRange[] {
  return [...new Map(ranges.map((at) => [`${at.target} ${at.range.toString()}`, at])).values()];
}

/** The command is done, but for what could not be unmapped. */
export function unmapFailure(cause: DmaError | undefined, stuck: readonly TargetRange[]): DmaUnmapError {
  const first = stuck[0];
  return new DmaUnmapError(
    `could not be unmapped, and stay mapped: ${listOf(stuck)}${cause === undefined ? '' : `: ${withoutCode(cause)}`}`,
    {
      ...(cause === undefined ? { code: 'ERR_RANGE_STUCK', ...first } : known(cause, first)),
      hint: cause?.hint ?? 'cure what made the unmap fail, then call retryStuck() of the attachment',
    },
    { stuck },
  );
}

/** A few of them by name, more by their number. */
export function listOf(
  ranges: readonly TargetRange[],
  nameOf = ({ target, range }: TargetRange): string => `${range.toString()} at "${target}"`,
): string {
  return ranges.length > 3 ? `${ranges.length} mappings` : ranges.map(nameOf).join(', ');
}

/** Nothing can be unmapped now: the target is still busy with what it was told before it was given up. `held`: what it has by now. */
export function pendingFailure(target: string, held: readonly TargetRange[]): DmaUnmapError {
  const what = held.length === 0 ? '' : `, and it holds ${listOf(held)}`;
  return new DmaUnmapError(
    `a call of target "${target}" has not come back${what}`,
    { code: 'ERR_TARGET_PENDING', target, hint: 'what it holds is unmapped when the call does come back' },
    { stuck: held },
  );
}

/** As Node's own abort errors: `name` is 'AbortError', `code` 'ABORT_ERR', and the signal's reason is the cause. */
export function abortError(message: string, reason: unknown): DmaError {
  const error = new DmaError(message, { code: ABORT_CODE, cause: reason });
  Object.defineProperty(error, 'name', { value: 'AbortError' });
  return error;
}

/** What the cause says, and what is known besides where it says nothing. */
function known(cause: DmaError, context: Partial<DmaErrorDetails> = {}): DmaErrorDetails {
  const { code, errno, syscall, request, hint } = cause;
  return {
    code,
    errno,
    syscall,
    request,
    target: cause.target ?? context.target,
    region: cause.region ?? context.region,
    range: cause.range ?? context.range,
    hint,
    cause,
  };
}

function hintFor(cause: DmaError, leftovers: number): string | undefined {
  const mend = 'heal() of the attachment mends what is missing or stuck';
  return leftovers === 0 ? cause.hint : cause.hint === undefined ? mend : `${cause.hint}; ${mend}`;
}
