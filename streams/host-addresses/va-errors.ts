import type { MapChange } from '../contracts/change-set.js';
import type { DmaErrorDetails } from '../contracts/error-details.js';
import { DmaError, toDmaError, type TargetRange } from '../contracts/errors.js';
import type { MemoryRange } from '../ranges/memory-range.js';
import type { ReleaseFailure } from '../contracts/va-mapper.js';

/** The errors of mappings that have no host virtual address, and of addresses that cannot be released. */

/** A target that may use a host virtual address whose mapping is no longer active. */
export interface VaUser extends TargetRange {
  /** Whether its unmap has failed. Otherwise a call of the target has not completed, or has not been undone yet. */
  readonly stuck: boolean;
}

/** The object with which a manager claims a VA mapper. */
export interface RegistryOwner {
  /** The targets that may use the address of the mapping at exactly this range, which is no longer active. */
  usersOf(range: MemoryRange): readonly VaUser[];
}

/** Something needs host virtual addresses, and the manager has no mapper. `always`: it needs them for every mapping. */
export function noMapperError(
  what: string,
  details: Pick<DmaErrorDetails, 'target' | 'region' | 'range'> = {},
  always = false,
): DmaError {
  return new DmaError(`${what}, and this manager has none`, {
    code: 'ERR_NO_VA_MAPPER',
    hint: `new RegionManager({ vaMapper: new RamBlocks()${always ? ", hostAddresses: 'always'" : ''} })`,
    ...details,
  });
}

/** The mapper has failed to make an address. */
export function mapperError(error: unknown, { region, range }: MapChange): DmaError {
  return toDmaError(error, { fallbackCode: 'ERR_VA_MAPPER', region, range });
}

/** The mapper has returned something that is not an address. */
export function noVaError({ region, range }: MapChange): DmaError {
  return new DmaError('the VA mapper returned no host virtual address', {
    code: 'ERR_VA_MAPPER',
    region,
    range,
    hint: 'ensureMapped() of a VA mapper returns { address: bigint }, or throws; ensureMappedBatch() an array of that, or of errors',
  });
}

/** The mapper has failed to release an address. */
export function releaseError({ range, error }: Partial<ReleaseFailure>): DmaError {
  return toDmaError(error, { fallbackCode: 'ERR_VA_RELEASE', range });
}

/** Reports each failure in the answer of `releaseBatch`, which may be of any type. */
export function reportReleaseFailures(answer: unknown, report: (error: DmaError) => void): void {
  const failures: readonly (Partial<ReleaseFailure> | undefined | null)[] = Array.isArray(answer) ? answer : [];
  for (const failure of failures) {
    report(releaseError(failure ?? {}));
  }
}

/** Another manager has claimed the mapper. */
export function mapperInUse(hint: string): DmaError {
  return new DmaError('the VA mapper belongs to another region manager', { code: 'ERR_VA_MAPPER_IN_USE', hint });
}

/**
 * Another mapping has the addresses.
 *
 * @param users the targets that may use them; empty when the other mapping is active
 */
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
  const targets = `target${names.length === 1 ? '' : 's'} ${names.join(', ')}`;
  return stuck
    ? new DmaError(`${addresses}, which ${targets} could not unmap`, {
        code: 'ERR_RANGE_STUCK',
        target,
        region,
        range,
        hint: `fix the cause of the failed unmap, then call retryStuck() of the attachment of "${target}"`,
      })
    : new DmaError(`${addresses}, which ${targets} may be using: a call has not completed`, {
        code: 'ERR_TARGET_PENDING',
        target,
        region,
        range,
        hint: 'what the target holds is unmapped when the call completes: try again then',
      });
}
