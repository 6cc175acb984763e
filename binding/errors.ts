import { DmaError, type MemoryRange } from '../streams/index.js';
import { errnoName } from '../streams/internal.js';

/** What was tried when the kernel, or native code in its manner, said no. */
export interface Attempt {
  /** As the start of a sentence: `'cannot map "ram0"'`. */
  readonly what: string;
  readonly syscall?: string | undefined;
  /** The request of an `ioctl`. */
  readonly request?: string | undefined;
  readonly range?: MemoryRange | undefined;
  readonly region?: string | undefined;
  /** Why, where more is known than the error number says. */
  readonly because?: string | undefined;
  /** What to do next. */
  readonly hint?: string | undefined;
}

/** Makes the error object of a native call that answered with a negative error number. The only place that does. */
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

/** The error of using something after its `close()`. */
export function closedError(what: string): DmaError {
  return new DmaError(`${what} is closed`, {
    code: 'ERR_CLOSED',
    hint: 'Close it only when nothing uses it any more.',
  });
}

/** Bytes as a person would write them: `0x200000 bytes (2 MiB)`. */
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
