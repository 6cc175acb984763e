import type { MapChange } from '../contracts/change-set.js';
import { DmaError } from '../contracts/errors.js';
import { ABORT_CODE } from '../util/abort.js';
import type { StuckMapping } from './stuck-mappings.js';

/** The reasons why a target is not called for a map. */

export const NO_FD_HINT = 'back the memory by a Memfd, or detach the target first';

export function noVaError(target: string, { region, range }: MapChange): DmaError {
  return new DmaError('the target needs a host virtual address, and the map has none', {
    code: 'ERR_NO_VA',
    target,
    region,
    range,
    hint: 'put ensureMapped(vaMapper) before toTarget(target) in the branch',
  });
}

export function noFdError(target: string, { region, range }: MapChange): DmaError {
  return new DmaError('the target needs a file, and private memory has none', {
    code: 'ERR_NO_FD',
    target,
    region,
    range,
    hint: NO_FD_HINT,
  });
}

export function abortedError(target: string, { range }: MapChange, reason: unknown): DmaError {
  return new DmaError('the attach was aborted', { code: ABORT_CODE, target, range, cause: reason });
}

/** The error of each call that is not made because an earlier one has not ended. */
export function waitingError(target: string): DmaError {
  return new DmaError('an earlier call, which was not answered in time, has not ended yet', {
    code: 'ERR_TARGET_PENDING',
    target,
    hint: 'try again when it has ended; detach({ abandon: true }) of the attachment gives the target up',
  });
}

/** @param cause why the stuck mapping could not be unmapped now; `undefined` when that was not tried */
export function stuckError(
  target: string,
  { region, range }: MapChange,
  stuck: StuckMapping,
  cause: DmaError | undefined,
): DmaError {
  return new DmaError(`${stuck.range.toString()} is still mapped, because its unmap failed`, {
    code: 'ERR_RANGE_STUCK',
    target,
    region,
    range,
    hint: 'fix the cause of the failed unmap, then call retryStuck() of the attachment',
    ...(cause === undefined ? {} : { cause }),
  });
}
