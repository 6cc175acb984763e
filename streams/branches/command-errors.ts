import type { DmaErrorDetails } from '../contracts/error-details.js';
import { DmaError, DmaMapError, DmaUnmapError, withoutCode, type TargetRange } from '../contracts/errors.js';
import { ABORT_CODE } from '../util/abort.js';
import type { MapFailure } from './delivery-result.js';

/** The errors with which commands reject, made from the errors of targets. */

/**
 * The error of a command with a failed map, which has been undone.
 *
 * @param blockers the earlier stuck mappings that caused the failure
 */
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
  const result =
    missing.length === 0 && stuck.length === 0
      ? 'everything was undone'
      : `undone, but for ${missing.length} mappings that could not be mapped again and ${stuck.length} that could not be unmapped`;
  return new DmaMapError(
    `a mapping failed, ${result}: ${withoutCode(cause)}`,
    { ...known(cause, { target, region, range }), hint: hintFor(cause, missing.length + stuck.length) },
    blockers.length === 0 ? aftermath : { ...aftermath, stuck: withoutDuplicates([...stuck, ...blockers]) },
  );
}

function withoutDuplicates(ranges: readonly TargetRange[]): TargetRange[] {
  return [...new Map(ranges.map((at) => [`${at.target} ${at.range.toString()}`, at])).values()];
}

/** The error of a command that has taken effect, except for what could not be unmapped. */
export function unmapFailure(cause: DmaError | undefined, stuck: readonly TargetRange[]): DmaUnmapError {
  const first = stuck[0];
  return new DmaUnmapError(
    `could not be unmapped, and stay mapped: ${listOf(stuck)}${cause === undefined ? '' : `: ${withoutCode(cause)}`}`,
    {
      ...(cause === undefined ? { code: 'ERR_RANGE_STUCK', ...first } : known(cause, first)),
      hint: cause?.hint ?? 'fix the cause of the failed unmap, then call retryStuck() of the attachment',
    },
    { stuck },
  );
}

/** The ranges as text: up to three in full, more as a number. */
export function listOf(
  ranges: readonly TargetRange[],
  nameOf = ({ target, range }: TargetRange): string => `${range.toString()} at "${target}"`,
): string {
  return ranges.length > 3 ? `${ranges.length} mappings` : ranges.map(nameOf).join(', ');
}

/** Who has not answered a set: a target, by a call that has not completed; or an operator of the branch. */
export type Unanswering = 'target' | 'operator';

/** The hint for a set that is with no target. */
export const OPERATOR_HINT =
  'no call of a target is open: an operator of the branch holds the set, or has dropped it. Each set must be answered once: use filterMaps(predicate) instead of filter()';

/**
 * The error of a command that cannot unmap anything, because a set of an aborted attach has not been answered.
 *
 * @param held what the target holds now
 */
export function pendingFailure(
  target: string,
  held: readonly TargetRange[],
  unanswering: Unanswering = 'target',
): DmaUnmapError {
  const what = held.length === 0 ? '' : `, and it holds ${listOf(held)}`;
  const [message, hint] =
    unanswering === 'target'
      ? [`a call of target "${target}" has not completed`, 'what it holds is unmapped when the call completes']
      : [`the branch of target "${target}" has not answered a change set`, `${OPERATOR_HINT}; ${GIVE_UP}`];
  return new DmaUnmapError(`${message}${what}`, { code: 'ERR_TARGET_PENDING', target, hint }, { stuck: held });
}

const GIVE_UP = 'detach({ abandon: true }) of the attachment gives the branch up';

/**
 * An abort error as Node makes them: `name` is 'AbortError', `code` 'ABORT_ERR', and `cause` the reason of the signal.
 */
export function abortError(message: string, reason: unknown, hint?: string): DmaError {
  const error = new DmaError(message, { code: ABORT_CODE, cause: reason, hint });
  Object.defineProperty(error, 'name', { value: 'AbortError' });
  return error;
}

/** The details of the cause, completed from the context. */
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
  const repair = 'heal() of the attachment repairs what is missing or stuck';
  return leftovers === 0 ? cause.hint : cause.hint === undefined ? repair : `${cause.hint}; ${repair}`;
}

/** The error of an attach that was aborted before its replay has been answered. */
export function unansweredAbort(unanswering: Unanswering, reason: unknown): DmaError {
  return unanswering === 'target'
    ? abortError(
        'the attach was aborted; a call of the target has not completed: what it maps is undone when it does',
        reason,
      )
    : abortError('the attach was aborted; the branch has not answered the replay', reason, OPERATOR_HINT);
}

/** The error of an attachment that was abandoned. */
export function abandonedError(target: string, unanswering: Unanswering): DmaError {
  const hint =
    'end the process, or reset the device, before the memory is used for something else; then attach a new target';
  return new DmaError('the attachment was abandoned: what its target held may still be mapped there', {
    code: 'ERR_TARGET_GONE',
    target,
    hint: unanswering === 'target' ? hint : `${OPERATOR_HINT}; ${hint}`,
  });
}
