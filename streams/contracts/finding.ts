import type { MemoryRange } from '../ranges/memory-range.js';

/** What `verify()` found at a target. */
export interface Finding {
  readonly range: MemoryRange;
  /** `missing`: should be held and is not. `stuck`: its unmap failed. `unexpected`: held, and not in the ledger. */
  readonly fault: 'missing' | 'stuck' | 'unexpected';
}

export interface HealOptions {
  /**
   * Whether what the target holds and the ledger has not is unmapped.
   *
   * Default: `true` for a target that lists what it holds (`DmaTarget.mappedRanges`), `false` for one that can only count
   * (`DmaTarget.mappedCount`). With `true` every gap between the mappings in the ledger of such a target is unmapped, in the whole address
   * space: also what another user of the same container has mapped there.
   */
  readonly unexpected?: boolean;
}
