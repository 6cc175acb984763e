import type { Observable } from 'rxjs';
import type { Outcome } from '../contracts/change-set.js';
import type { Finding, HealOptions } from '../contracts/finding.js';
import type { LedgerEntry } from '../contracts/ledger-entry.js';
import type { MemoryRange } from '../ranges/memory-range.js';

export interface AttachOptions {
  /** Aborts the replay between its maps, which undoes it. Has no effect once attached. */
  readonly signal?: AbortSignal;
  /** Called after each map of the replay. In bytes; `total` is what is replayed, for all targets of the branch together. */
  readonly onProgress?: (progress: { readonly done: bigint; readonly total: bigint }) => void;
}

/** A target, or a branch with several, that follows a manager. */
export interface Attachment extends AsyncDisposable {
  /** Name of the target; of several, joined with `+`. */
  readonly target: string;
  /** Whether a change set has been handed to it and not been answered. */
  readonly pending: boolean;
  /** Hot. One for each step that it was handed, also of an undo. Completes when it is detached. */
  readonly outcomes$: Observable<Outcome>;
  /** What this target holds now, ascending; `stuck` where an unmap failed. */
  ledger(): readonly LedgerEntry[];
  /** What the target should hold and does not, because putting it back failed during an undo. Ascending. */
  missing(): readonly MemoryRange[];
  /**
   * Unmaps what is stuck, each mapping by itself.
   *
   * @throws DmaUnmapError when something is stuck still
   */
  retryStuck(): Promise<void>;
  /**
   * Compares the ledger with the target, where the target can be asked (`DmaTarget.mappedRanges`). Ascending.
   *
   * One that can only count (`DmaTarget.mappedCount`) cannot say where: the range of what is missing is then all that the ledger has, and of
   * what is unexpected the whole address space.
   */
  verify(): Promise<readonly Finding[]>;
  /**
   * Makes ledger, target and view equal again: unmaps what is stuck or unexpected, maps what is missing.
   *
   * A target that can only count keeps what it holds too much, unless `unexpected` asks for it: nobody can tell whose that is. `verify()` goes on
   * reporting it. Whether something is missing is then looked for all the same.
   *
   * @throws DmaUnmapError when something cannot be unmapped; DmaMapError when something cannot be mapped; DmaError `ERR_TARGET_DIFFERS` when a
   * target that can only count still holds another number than it should, more only where `unexpected` is set. What could be mended is mended
   */
  heal(options?: HealOptions): Promise<void>;
  /**
   * Unmaps what the ledger holds, then ends the attachment. Again: nothing.
   *
   * @throws DmaUnmapError when something is stuck: the target gets no more maps, and is gone once `retryStuck()` has cleared it
   */
  detach(): Promise<void>;
}
