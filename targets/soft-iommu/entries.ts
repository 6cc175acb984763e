import type { DmaMapRequest, MemoryRange } from '../../streams/index.js';
import { RangeMap } from '../../streams/internal.js';

/** What is mapped. */
export interface Entry {
  readonly range: MemoryRange;
  readonly request: DmaMapRequest;
}

/** Everything that is mapped: it never overlaps. */
export class Entries extends RangeMap<Entry> {
  /** Ascending. */
  ranges(): MemoryRange[] {
    return Array.from(this, ({ range }) => range);
  }
}
