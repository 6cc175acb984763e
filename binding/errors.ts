import { DmaError, type MemoryRange } from '../streams/index.js';
import { errnoName } from '../streams/internal.js';

/** A failed operation of the kernel, or of native code that returns an errno. */
export interface Attempt {
  /** Start of the message: `'cannot map "ram0"'`. */
  readonly what: string;
  readonly syscall?: string | undefined;
  /** The request of an `ioctl`. */
  readonly request?: string | undefined;
  readonly range?: MemoryRange | undefined;
  readonly region?: string | undefined;
  /** The cause, if more is known than the errno. */
  readonly because?: string | undefined;
  /** What to do next. */
  readonly hint?: string | undefined;
}

/** Makes the error of a native call that returned a negative errno. All such errors are made here. */
export function systemError(errno: number, attempt: Attempt): DmaError {
  const { code, sentence } = errnoName(errno);
  return new DmaError(`${attempt.what}: ${attempt.because ?? sentence}`, {
    code,
    errno: -Math.abs(errno),
    syscall: attempt.syscall,
    request: attempt.request,
    range: attempt.range,
    region: attempt.region,
    hint: attempt.hint,
  });
}

/** The error of a call after `close()`. */
export function closedError(what: string): DmaError {
  return new DmaError(`${what} is closed`, {
    code: 'ERR_CLOSED',
    hint: 'Close it only when nothing uses it any more.',
  });
}

/** Formats a number of bytes: `0x200000 bytes (2 MiB)`. */
export function formatBytes(bytes: bigint): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024n && value % 1024n === 0n && unit < units.length - 1) {
    value /= 1024n;
    unit += 1;
  }
  return `${value} ${units[unit] ?? ''}`;
}
