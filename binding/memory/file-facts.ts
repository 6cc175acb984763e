import { systemError } from '../errors.js';
import { native } from '../native.js';

/** What decides whether another process can map a file, and write to it. */
export interface FileFacts {
  /** Whether it is a file in a file system, a memfd among them. Everything else is a device, a pipe, a socket, … */
  readonly regular: boolean;
  /** Of a regular file: in bytes. */
  readonly size: bigint;
  /** Of a regular file: offsets that are mapped are multiples of it, in bytes. More than 4096 for huge pages. */
  readonly pageSize: bigint;
  /** Whether the descriptor was opened for reading and writing. */
  readonly writable: boolean;
  /** Whether the file is sealed against writing: `F_SEAL_WRITE` or `F_SEAL_FUTURE_WRITE`. */
  readonly sealed: boolean;
}

/**
 * Reads the facts of an open file: two or three system calls.
 *
 * @throws DmaError `EBADF` if the descriptor is not open
 */
export function fileFacts(fd: number): FileFacts {
  const facts = native().fileFacts(fd);
  if (typeof facts === 'number') {
    throw systemError(facts, {
      what: `cannot examine file descriptor ${fd}`,
      syscall: 'fstat',
      hint: 'The file was closed, or this is not the number of an open file.',
    });
  }
  return facts;
}
