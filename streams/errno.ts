/** The kernel's number for an error name, positive; `undefined` when it is none that is known here. */
export function errnoOf(code: string): number | undefined {
  return ERRNO[code];
}

/** The name and the sentence for a kernel error number, which may be of either sign. */
export function errnoName(errno: number): { readonly code: string; readonly sentence: string } {
  const number = Math.abs(errno);
  for (const [code, value] of Object.entries(ERRNO)) {
    if (value === number) {
      return { code, sentence: SENTENCE[code] ?? code };
    }
  }
  return { code: `E${number}`, sentence: `kernel error ${number}` };
}

/** Numbers of the Linux generic ABI (`asm-generic/errno-base.h`, `asm-generic/errno.h`): those that mapping memory can meet. */
const ERRNO: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  ERANGE: 34,
  ENOSYS: 38,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ETIMEDOUT: 110,
};

const SENTENCE: Readonly<Record<string, string>> = {
  EPERM: 'operation not permitted',
  ENOENT: 'nothing there',
  EINTR: 'interrupted by a signal',
  EIO: 'input/output error',
  ENXIO: 'no such device or address',
  E2BIG: 'argument too large',
  EBADF: 'bad file descriptor',
  EAGAIN: 'try again',
  ENOMEM: 'not enough memory, or over the limit of locked memory',
  EACCES: 'permission denied',
  EFAULT: 'bad address',
  EBUSY: 'busy',
  EEXIST: 'already mapped',
  ENODEV: 'no such device',
  EINVAL: 'invalid argument',
  ENFILE: 'too many open files in the system',
  EMFILE: 'too many open files',
  ENOTTY: 'request not known here',
  ETXTBSY: 'file is being executed',
  EFBIG: 'file too large',
  ENOSPC: 'no entries left',
  ESPIPE: 'cannot seek',
  EROFS: 'read-only file system',
  ERANGE: 'out of range',
  ENOSYS: 'system call not there',
  EOVERFLOW: 'value too large',
  EOPNOTSUPP: 'operation not supported',
  EADDRINUSE: 'address in use',
  ETIMEDOUT: 'timed out',
};
