import type { AttachmentHandle } from './attachment-handle.js';
import type { MapChange } from '../contracts/change-set.js';
import { checkTarget } from '../contracts/contract-checks.js';
import type { DmaTarget } from '../contracts/dma-target.js';
import { DmaError } from '../contracts/errors.js';
import type { TargetBranch } from '../contracts/target-branch.js';
import { ensureMapped } from '../operators/ensure-mapped.js';
import { toTarget } from '../operators/to-target.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import { NO_FD_HINT } from '../target/obstacles.js';
import type { TargetPort } from '../target/target-port.js';
import { noMapperError } from '../host-addresses/va-errors.js';
import { isClass } from '../util/classes.js';
import type { VaMapper } from '../contracts/va-mapper.js';

/** Checks of targets and branches before they are attached, and the claims that keep a target with one attachment. */

/**
 * The branch that is attached.
 *
 * @throws TypeError when it is neither a target nor a branch; DmaError `ERR_NO_VA_MAPPER`
 */
export function branchOf(target: DmaTarget | TargetBranch, vaMapper: VaMapper | undefined): TargetBranch {
  if (typeof target === 'function' && !isClass(target)) {
    return target;
  }
  checkTarget(target);
  if (target.needsVa !== true) {
    return toTarget(target);
  }
  if (vaMapper === undefined) {
    throw noMapperError('the target needs host virtual addresses of a VA mapper', { target: target.name });
  }
  return (changes$) => changes$.pipe(ensureMapped(vaMapper), toTarget(target));
}

/** @throws DmaError `ERR_NO_FD` when the target needs files, and `memory`, a private mapping, exists */
export function checkNeedsNoFd(target: DmaTarget, memory: MapChange | undefined): void {
  if (target.needsFd === true && memory !== undefined) {
    throw new DmaError('the target needs a file for every mapping, and there is private memory, which has none', {
      code: 'ERR_NO_FD',
      target: target.name,
      region: memory.region,
      range: memory.range,
      hint: 'remove the private mapping, or back it by a Memfd, before attaching',
    });
  }
}

/** @throws DmaError `ERR_NO_FD` when one of these targets needs files, and private memory is to be added */
export function checkPrivateFits(ports: readonly TargetPort[], region: string, range: MemoryRange): void {
  for (const { name, needsFd } of ports) {
    if (needsFd) {
      throw new DmaError('a target is attached that needs a file for every mapping, and private memory has none', {
        code: 'ERR_NO_FD',
        target: name,
        region,
        range,
        hint: NO_FD_HINT,
      });
    }
  }
}

/** The attachment of each target, of any manager, until the attachment is gone. */
const claims = new WeakMap<DmaTarget, AttachmentHandle>();

/** The attachment that has claimed a target. */
export function claimantOf(target: DmaTarget): AttachmentHandle | undefined {
  return claims.get(target);
}

/**
 * Claims a target for an attachment.
 *
 * @throws DmaError `ERR_ALREADY_ATTACHED` when another attachment has claimed it, or the same one has: a branch may
 * contain a target once
 */
export function claim(target: DmaTarget, handle: AttachmentHandle, ofThisManager: readonly AttachmentHandle[]): void {
  const other = claims.get(target);
  if (other === undefined) {
    claims.set(target, handle);
    return;
  }
  const [message, where] =
    other === handle || ofThisManager.includes(other)
      ? ['the target is attached already', '']
      : other.phase === 'leaving'
        ? ['another region manager could not unmap what the target holds', ', with retryStuck() of its attachment']
        : other.phase === 'gone'
          ? ['a call of the target, which was abandoned, has not ended yet', '']
          : ['the target is attached to another region manager', ' from there'];
  throw new DmaError(message, {
    code: 'ERR_ALREADY_ATTACHED',
    target: target.name,
    hint:
      other.phase === 'gone'
        ? 'attach another target object'
        : `detach it first${where}, or attach another target object`,
  });
}

/** Frees the targets of an attachment that is gone; one whose call was abandoned, once that call has ended. */
export function unclaim(handle: AttachmentHandle): void {
  for (const { target, abandonedCall } of handle.ports) {
    const free = (): void => {
      if (claims.get(target) === handle) {
        claims.delete(target);
      }
    };
    if (abandonedCall === undefined) {
      free();
    } else {
      void abandonedCall.then(free);
    }
  }
}
