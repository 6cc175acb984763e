import type { Observable } from 'rxjs';
import type { Outcome } from '../contracts/change-set.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { MemoryRange } from '../ranges/memory-range.js';

export interface AttachOptions {
  /** Aborts the replay between its maps and undoes it. Has no effect once the target is attached. Default: none. */
  readonly signal?: AbortSignal;
  /**
   * Called after each map of the replay, in bytes. `total` is the size of the replay, for all targets of the branch
   * together. What it throws is ignored. Default: none.
   */
  readonly onProgress?: (progress: { readonly done: bigint; readonly total: bigint }) => void;
}

/**
 * A target, or a branch with several targets, that is attached to a manager. Its methods that return promises are
 * commands of the manager, and run in call order with all others. After the attachment has ended they have no effect.
 *
 * @example
 * ```ts
 * import { RegionManager } from 'dma-streams';
 * import { LoggingTarget } from 'dma-streams/targets';
 *
 * await using manager = new RegionManager();
 * const attachment = await manager.attach(new LoggingTarget({ name: 'log' }));
 * attachment.outcomes$.subscribe(({ target, status }) => console.log(target, status));
 * console.log(attachment.ledger()); // []
 * await attachment.detach();
 * ```
 */
export interface Attachment extends AsyncDisposable {
  /** Name of the target; of several, joined with `+`. */
  readonly target: string;
  /** Whether a change set has been delivered and not been answered. */
  readonly pending: boolean;
  /**
   * Hot. One outcome for each step of a change set that is delivered, in order: its unmaps, its maps, and the steps of
   * an undo. Completes when the attachment ends; never errors.
   */
  readonly outcomes$: Observable<Outcome>;
  /** What the targets hold now, ascending; `stuck` where an unmap failed. */
  ledger(): readonly LedgerEntry[];
  /** What the targets should hold and do not, because mapping it again failed, or `heal()` found it lost. Ascending. */
  missing(): readonly MemoryRange[];
  /**
   * Unmaps what is stuck, each mapping by a call of its own.
   *
   * @throws DmaUnmapError when something is still stuck; `ERR_TARGET_PENDING` when a call of an aborted attach has not
   * returned
   */
  retryStuck(): Promise<void>;
  /**
   * Compares the ledger with the target, if the target can list its mappings (`DmaTarget.mappedRanges`). Changes
   * nothing.
   *
   * A target that can only count its mappings (`DmaTarget.mappedCount`) yields at most one finding: `missing` with the
   * range from the first to the last mapping of the ledger, or `unexpected` with the whole address space.
   *
   * @returns the differences, and what the ledger records as missing or stuck. Ascending
   * @throws DmaError when the target fails, or returns no valid list or number
   */
  verify(): Promise<readonly Finding[]>;
  /**
   * Makes the target hold exactly the active mappings: unmaps what is stuck or unexpected, and maps what is missing.
   *
   * A target that can only count its mappings keeps those in excess, unless `unexpected` is set, because nothing shows
   * who made them; `verify()` continues to report them.
   *
   * On failure: everything that could be repaired has been.
   *
   * @throws DmaUnmapError when something cannot be unmapped
   * @throws DmaMapError when something cannot be mapped
   * @throws DmaError `ERR_TARGET_DIFFERS` when a target that can only count still holds another number of mappings than
   * it should; a larger number counts only when `unexpected` is set
   */
  heal(options?: HealOptions): Promise<void>;
  /**
   * Unmaps what the ledger holds, then ends the attachment. Has no effect when the attachment has ended.
   *
   * @throws DmaUnmapError when something is stuck: the target gets no more maps, and the attachment ends once
   * `retryStuck()` has unmapped it. `ERR_TARGET_PENDING` when a call of an aborted attach has not completed
   */
  detach(): Promise<void>;
}
