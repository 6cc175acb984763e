import type { MemoryRange } from '../ranges/memory-range.js';

/** One mapping in the ledger of a target. */
export interface LedgerEntry {
  /** Guest physical addresses. */
  readonly range: MemoryRange;
  /** Name of the region. */
  readonly region: string;
  /** As it was mapped at the target. */
  readonly writable: boolean;
  /** Whether its unmap failed: the target still has the mapping, but should not. */
  readonly stuck: boolean;
}
