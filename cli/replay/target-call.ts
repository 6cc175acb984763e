import type { MemoryRange } from '../../streams/index.js';
import type { TargetCall } from '../../targets/index.js';

/** What the call was about. */
export function rangeOf(call: TargetCall): MemoryRange {
  return call.op === 'map' ? call.request.range : call.range;
}
