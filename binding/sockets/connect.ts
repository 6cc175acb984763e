import { setTimeout as sleep } from 'node:timers/promises';
import { DmaError } from '../../streams/index.js';
import { ERRNO } from '../../streams/internal.js';
import { systemError } from '../errors.js';
import { native } from '../native.js';
import type { FileHandle } from '../native.js';
import { connectError } from './address-errors.js';

/** Between two tries, in milliseconds. */
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 50;

/**
 * Connects to a listening socket. Where too many connections wait to be accepted, it tries again, until the time is over.
 *
 * @throws DmaError `ETIMEDOUT`, `ABORT_ERR`, or those of connect(2), with hints
 */
export async function connectTo(path: string, timeout: number, signal: AbortSignal | undefined): Promise<FileHandle> {
  const file = await tryUntilAccepted(path, timeout, signal);
  // The signal may be aborted after the call, in the same turn of the event loop.
  if (signal?.aborted === true) {
    native().fileClose(file);
  }
  checkNotAborted(path, signal);
  return file;
}

async function tryUntilAccepted(path: string, timeout: number, signal: AbortSignal | undefined): Promise<FileHandle> {
  const end = performance.now() + timeout;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    checkNotAborted(path, signal);
    const result = native().socketConnect(path);
    if (typeof result !== 'number') {
      return result;
    }
    if (result !== ERRNO.EAGAIN) {
      throw connectError(result, path);
    }
    const left = end - performance.now();
    if (left <= 0) {
      throw systemError(ERRNO.ETIMEDOUT, {
        what: `cannot connect to ${path}`,
        because: `too many connections wait to be accepted, for ${timeout} ms`,
        syscall: 'connect',
        hint: 'The process that listens there accepts no connections: it may be stopped, or serve one client at a time.',
      });
    }
    // An abort ends the pause early; the loop reports it.
    await sleep(Math.min(pause, left), undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

/** @throws DmaError `ABORT_ERR` */
function checkNotAborted(path: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new DmaError(`the connection to ${path} was aborted`, { code: 'ABORT_ERR', cause: signal.reason });
  }
}
