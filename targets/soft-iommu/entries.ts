import type { DmaMapRequest, MemoryRange } from '../../streams/index.js';
import { RangeMap } from '../../streams/internal.js';

/** One mapping. */
export interface Entry {
  readonly range: MemoryRange;
  readonly request: DmaMapRequest;
}

/** All mappings. They never overlap. */
export class Entries extends RangeMap<Entry> {
  /** Ascending. */
  ranges(): MemoryRange[] {
    return Array.from(this, ({ range }) => range);
  }
}
