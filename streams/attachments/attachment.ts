import type { Observable } from 'rxjs';
import type { Outcome } from '../contracts/change-set.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { MemoryRange } from '../ranges/memory-range.js';

/** Options of `RegionManager.attach`. */
export interface AttachOptions {
  /** Aborts the replay between its maps and undoes it. Has no effect once the target is attached. Default: none. */
  readonly signal?: AbortSignal;
  /**
   * Called after each map of the replay, in bytes. `total` is the size of the replay, for all targets of the branch
   * together. What it throws is ignored. Default: none.
   */
  readonly onProgress?: (progress: { readonly done: bigint; readonly total: bigint }) => void;
}

/** Options of `Attachment.detach`. */
export interface DetachOptions {
  /**
   * Forgets the targets instead of unmapping what they hold: for a target that no longer answers. Default: `false`.
   *
   * Takes effect at once, before the commands that wait. A call that has not ended is no longer waited for: it fails
   * with `ERR_TARGET_GONE`. A command that was waiting for a map is undone at the other targets and rejects; one that was
   * waiting for an unmap goes on. No further call is made: not at any target of a branch with several.
   *
   * **What the targets held may still be mapped there.** A device, or another process, can go on to read and write that
   * memory, although the manager counts it as unmapped: its host addresses are released, private memory included, and may
   * be used again for something else. Before you use the memory for anything else, make sure that nobody can reach it any
   * more: end the other process, reset the device, or close the container.
   *
   * A target object whose call has not ended cannot be attached again until the call ends.
   */
  readonly abandon?: boolean;
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
  /**
   * `attached` from the start of the replay; `leaving` when it gets no more maps, but something is held or stuck at its
   * targets, or a call has not ended; `gone` when it has ended.
   */
  readonly phase: 'attached' | 'leaving' | 'gone';
  /** Whether a change set has been delivered and not been answered. */
  readonly pending: boolean;
  /**
   * Hot. One outcome for each step of a change set that is delivered, in order: its unmaps, its maps, and the steps of
   * an undo; when the targets have answered, before the command takes effect. A late subscriber gets later ones only:
   * not those of the replay. Completes when the attachment ends, for a late subscriber at once; never errors.
   *
   * When a target is gone (a call of it has failed with `ERR_TARGET_GONE`, or it was abandoned), the last one is
   * `failed` with that error and an empty list `stuck`, and `outcomes$` completes. The attachment ends with the command:
   * nothing is stuck, and what other targets of its branch hold is unmapped. The manager also reports the error to
   * `onWarning`.
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
   * @throws DmaError when the target fails, or returns no valid list or number. With `ERR_TARGET_GONE` the attachment
   * ends
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
   * `retryStuck()` has unmapped it. `ERR_TARGET_PENDING` when a call of an aborted attach has not completed. Neither with
   * `abandon`; TypeError when an option has the wrong type
   */
  detach(options?: DetachOptions): Promise<void>;
}
