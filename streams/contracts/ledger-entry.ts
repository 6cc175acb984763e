import type { MemoryRange } from '../ranges/memory-range.js';

/** One mapping in a ledger. */
export interface LedgerEntry {
  readonly range: MemoryRange;
  readonly region: string;
  readonly writable: boolean;
  /** Its unmap failed: the target still holds it, and should not. */
  readonly stuck: boolean;
}
