import type { MemoryRange } from '../ranges/memory-range.js';

/** A difference between a target and its ledger, found by `Attachment.verify()`. */
export interface Finding {
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /**
   * - `missing`: in the ledger, but not mapped at the target
   * - `stuck`: still mapped, because its unmap failed
   * - `unexpected`: mapped at the target, but not in the ledger
   */
  readonly fault: 'missing' | 'stuck' | 'unexpected';
}

/** Options of `Attachment.heal`. */
export interface HealOptions {
  /**
   * Whether to unmap ranges that are mapped at the target and are not in the ledger.
   *
   * Default: `true` for a target that can list its maps (`DmaTarget.mappedRanges`), `false` for a target that can only count them
   * (`DmaTarget.mappedCount`). With `true`, all gaps between the mappings in the ledger of such a counting target are unmapped, in the whole
   * address space. This also removes mappings that other users of the same container made there.
   */
  readonly unexpected?: boolean;
}
