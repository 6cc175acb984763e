import type { DmaMapRequest, MemoryRange } from '../../streams/index.js';

/** One call that a target has answered. */
export type TargetCall = MapCall | UnmapCall;

export interface MapCall {
  readonly op: 'map';
  readonly target: string;
  readonly request: DmaMapRequest;
  /** The error's code, when it failed: `'EINVAL'`. */
  readonly failed?: string;
}

export interface UnmapCall {
  readonly op: 'unmap';
  readonly target: string;
  readonly range: MemoryRange;
  /** The error's code, when it failed: `'EINVAL'`. */
  readonly failed?: string;
}

export function rangeOf(call: TargetCall): MemoryRange {
  return call.op === 'map' ? call.request.range : call.range;
}
