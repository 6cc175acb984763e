import { checkVaMapper } from '../contracts/contract-checks.js';
import type { DmaError } from '../contracts/errors.js';
import type { VaMapper } from '../contracts/va-mapper.js';
import { noMapperError } from '../host-addresses/va-errors.js';
import { checkBoolean, checkCallback, checkMilliseconds, checkOneOf, checkOptions } from '../util/checks.js';

/** Options of a manager. All have defaults. */
export interface RegionManagerOptions {
  /**
   * Makes the host virtual addresses of mappings. Required before a target that `needsVa` is attached or a private
   * mapping is added. The manager releases every address that the mapper has made for it.
   *
   * A mapper belongs to one manager at a time, until `close()` has resolved. When `close()` rejects, the mapper is free
   * once `retryStuck()` of the attachments has unmapped what is stuck, because its addresses may be in use. Default:
   * none.
   */
  readonly vaMapper?: VaMapper;
  /**
   * Called with each failure that does not fail a command: a device mapping that a target could not map, a VA that
   * could not be released, an outcome of a branch that is not valid, a mapping whose granule divides it into more pieces than a target can
   * hold maps (`ERR_TOO_MANY_PIECES`), a target that does not answer (`ERR_TARGET_SLOW`). What it throws is ignored. Default: warnings are
   * dropped.
   */
  readonly onWarning?: (warning: DmaError) => void;
  /**
   * In milliseconds, 1 to 2^31 - 1, or `Infinity` for never: after this time a warning (`ERR_TARGET_SLOW`) says that a target, or an operator of
   * a branch, has not answered a call or a change set: `'x' has not answered generation 5 for 5 s`. One more says when it has answered, or is no
   * longer waited for. Both may come later by a quarter of this time. The timer does not keep the process running, and runs only while a
   * command has not ended. Default: 5000.
   */
  readonly warnAfter?: number;
  /**
   * Whether the error of a command names the file and line of the call in its `stack`, also when the command fails after the call has returned,
   * because a target or an earlier command was not done: so that a command can be found whose promise nobody waits for.
   *
   * The errors of other commands always do. Taking note costs some 4 µs for each command that is not done when its call returns, which is more than
   * the command itself; nothing for others. Of commands that wait behind 64 others it is not noted. Set it while you develop. Default: `false`; the
   * `stack` of such an error then names this option.
   */
  readonly callSites?: boolean;
  /**
   * Which regions may overlap.
   *
   * - `'contained'` (the default): of two regions that overlap, the one of higher priority contains the other one completely, or both have the
   *   same priority and range. A region is active as a whole or not at all, and every mapping is delivered as one map.
   * - `'any'`: all. Each address is resolved by itself: of the mapped regions that cover it, the one with the highest priority shows; of equals,
   *   the one that was added first. A mapping that is covered in part is delivered in pieces. When its pieces change, they are unmapped and
   *   the new ones mapped in the same change set: between the two steps, devices that access the whole mapping get faults, also outside the
   *   region above it. `MappingParams.granule` limits this to the granules that are touched. Private memory cannot be covered.
   */
  readonly overlap?: 'contained' | 'any';
  /**
   * Which active mappings have a host virtual address.
   *
   * - `'on-demand'` (the default): those of which a target needs it.
   * - `'always'`: all, also without a target, so that the VMM itself reads and writes guest memory through the mapper. The address is made
   *   before the first target maps, and released after the last one has unmapped. The manager does this by a target of its own that does
   *   nothing with the maps, `host addresses`, which is the first of `attachments`. So a RAM mapping that gets no address fails the command, a
   *   device mapping is reported to `onWarning`, and an address that an undo could not make again is repaired by `heal()`. If it is detached,
   *   mappings that become active later get their addresses on demand.
   */
  readonly hostAddresses?: 'on-demand' | 'always';
}

/** The options with their defaults. */
export type CheckedOptions = RegionManagerOptions &
  Required<Pick<RegionManagerOptions, 'overlap' | 'hostAddresses' | 'warnAfter' | 'callSites'>>;

/**
 * The options, with their defaults.
 *
 * @throws TypeError when an option has the wrong type; DmaError `ERR_NO_VA_MAPPER`
 */
export function checkedOptions(options: RegionManagerOptions): CheckedOptions {
  checkOptions(
    options,
    { vaMapper: true, onWarning: true, warnAfter: true, callSites: true, overlap: true, hostAddresses: true },
    'RegionManager',
  );
  const {
    vaMapper,
    onWarning,
    overlap = 'contained',
    hostAddresses = 'on-demand',
    warnAfter = 5000,
    callSites = false,
  } = options;
  checkBoolean(callSites, 'callSites of a RegionManager');
  checkOneOf(overlap, ['contained', 'any'], 'overlap of a RegionManager');
  checkOneOf(hostAddresses, ['on-demand', 'always'], 'hostAddresses of a RegionManager');
  checkCallback(onWarning, 'onWarning');
  if (warnAfter !== Infinity) {
    checkMilliseconds(warnAfter, 1, 'warnAfter of a RegionManager');
  }
  if (vaMapper !== undefined) {
    checkVaMapper(vaMapper);
  } else if (hostAddresses === 'always') {
    throw noMapperError("hostAddresses: 'always' needs a VA mapper", {}, true);
  }
  return { ...options, overlap, hostAddresses, warnAfter, callSites };
}
