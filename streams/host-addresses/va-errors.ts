import type { MapChange } from '../contracts/change-set.js';
import { DmaError, toDmaError, type TargetRange } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { ReleaseFailure } from '../contracts/va-mapper.js';

/** Why a mapping has no host virtual address. */

/** A target that may still be using a host virtual address whose mapping has left the view. */
export interface VaUser extends TargetRange {
  /** Whether its unmap failed. Else a call of the target has not come back yet, or could not be undone yet. */
  readonly stuck: boolean;
}

/** The manager that releases what is ensured. */
export interface RegistryOwner {
  /** Who may still be using the address of the mapping at exactly this range, which has left the view. */
  usersOf(range: MemoryRange): readonly VaUser[];
}

/** The mapper failed. */
export function mapperError(error: unknown, { region, range }: MapChange): DmaError {
  return toDmaError(error, { fallbackCode: 'ERR_VA_MAPPER', region, range });
}

/** The mapper gave something that is no address. */
export function noVaError({ region, range }: MapChange): DmaError {
  return new DmaError('the VA mapper returned no host virtual address', {
    code: 'ERR_VA_MAPPER',
    region,
    range,
    hint: 'ensureMapped() of a VA mapper returns { address: bigint }, or throws; ensureMappedBatch() an array of that, or of errors',
  });
}

/** The mapper failed to release an address. */
export function releaseError({ range, error }: Partial<ReleaseFailure>): DmaError {
  return toDmaError(error, { fallbackCode: 'ERR_VA_RELEASE', range });
}

/** Tells of what a mapper says that it failed to release, whatever it says. */
export function tellFailures(answer: unknown, tell: (error: DmaError) => void): void {
  const failures: readonly (Partial<ReleaseFailure> | undefined | null)[] = Array.isArray(answer) ? answer : [];
  for (const failure of failures) {
    tell(releaseError(failure ?? {}));
  }
}

/** The mapper is another manager's. */
export function mapperInUse(hint: string): DmaError {
  return new DmaError('the VA mapper belongs to another region manager', { code: 'ERR_VA_MAPPER_IN_USE', hint });
}

/** Another mapping has the addresses: one that its users keep, or, where there are none, one that is active. */
export function addressesInUse(
  { region, range }: MapChange,
  held: { readonly range: MemoryRange; readonly mapping: MapChange },
  users: readonly VaUser[],
): DmaError {
  const addresses = `the host addresses are still those of ${held.range.toString()}`;
  const user = users.find(({ stuck }) => stuck) ?? users[0];
  if (user === undefined) {
    return new DmaError(`${addresses} of region "${held.mapping.region}", another mapping that is in use`, {
      code: 'ERR_VA_IN_USE',
      region,
      range,
      hint: 'each address has one mapping in a VA mapper: operators before ensureMapped() must leave maps as they are',
    });
  }
  const { target, stuck } = user;
  const names = users.filter((other) => other.stuck === stuck).map((other) => `"${other.target}"`);
  const whom = `target${names.length === 1 ? '' : 's'} ${names.join(', ')}`;
  return stuck
    ? new DmaError(`${addresses}, which ${whom} could not unmap`, {
        code: 'ERR_RANGE_STUCK',
        target,
        region,
        range,
        hint: `cure what made the unmap fail, then call retryStuck() of the attachment of "${target}"`,
      })
    : new DmaError(`${addresses}, which ${whom} may be using: a call has not come back`, {
        code: 'ERR_TARGET_PENDING',
        target,
        region,
        range,
        hint: 'what the target holds is unmapped when the call comes back: try again then',
      });
}
