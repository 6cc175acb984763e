import { DmaError, type MemoryRange } from '../../streams/index.js';

export interface RefusalDetails {
  readonly range?: MemoryRange | undefined;
  readonly region?: string | undefined;
  /** What to do next. */
  readonly hint: string;
}

/** Makes the errors of maps or of unmaps, like the errors of a failed `ioctl`. */
export type Refuse = (code: string, message: string, details: RefusalDetails) => DmaError;

/** @param request the request of the `ioctl` that would fail in a kernel */
export function refusalsOf(target: string, request: string): Refuse {
  return (code, message, details) => new DmaError(message, { code, syscall: 'ioctl', request, target, ...details });
}
