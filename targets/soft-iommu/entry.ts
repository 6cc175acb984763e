import type { DmaMapRequest, MemoryRange } from '../../streams/index.js';
import type { RangeMap } from '../../streams/range-map.js';

/** What is mapped. */
export interface Entry {
  readonly range: MemoryRange;
  readonly request: DmaMapRequest;
}

/** Everything that is mapped: it never overlaps. */
export type Entries = RangeMap<Entry>;
