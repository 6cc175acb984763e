import { DmaError, type MemoryRange } from '../../streams/index.js';

export interface RefusalDetails {
  readonly range?: MemoryRange | undefined;
  readonly region?: string | undefined;
  /** What to do next. */
  readonly hint: string;
}

/** Makes the errors of one of the two calls, in the shape of those of a failed `ioctl`. */
export type Refuse = (code: string, message: string, details: RefusalDetails) => DmaError;

/** @param request the request of the `ioctl` that a kernel would have failed */
export function refusalsOf(target: string, request: string): Refuse {
  return (code, message, details) => new DmaError(message, { code, syscall: 'ioctl', request, target, ...details });
}
