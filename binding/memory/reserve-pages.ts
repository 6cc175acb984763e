import { ERRNO } from '../../streams/internal.js';
import { fstatSync } from 'node:fs';
import type { DmaError } from '../../streams/index.js';
import { formatBytes, systemError } from '../errors.js';
import { memoryHeadroom } from './memory-headroom.js';
import { native } from '../native.js';
import type { FileHandle } from '../native.js';
import { isInMemory, shortageOf } from './shortage.js';

/** Unit of `st_blocks`, in bytes. */
const BLOCK = 512n;

const { EBADF, ENOMEM } = ERRNO;

/** Bytes allocated per step on another thread. The file can be closed between two steps. */
const STEP = 256n << 20n;

/**
 * Allocates the missing pages of a file, from start to end, on another thread.
 *
 * @param fd descriptor of the file
 * @param open returns the file, or throws if it is closed
 * @throws DmaError that names the exhausted resource; the error of `open`
 */
export async function allocateAll(fd: number, label: string, open: () => FileHandle): Promise<void> {
  const what = `cannot reserve the pages of "${label}"`;
  const status = native().fileStatus(open());
  if (typeof status === 'number') {
    throw systemError(status, { what, syscall: 'fstat' });
  }
  const { size, allocated } = status;
  if (size > allocated && isInMemory(fd)) {
    checkHeadroom(what, size - allocated);
  }
  for (let done = 0n; done < size; done += STEP) {
    const step = size - done < STEP ? size - done : STEP;
    const result = await native().fileAllocate(open(), done, step, true);
    if (result < 0) {
      open();
      throw reserveError(result, what, 'fallocate', fd);
    }
  }
}

/**
 * Rejects an allocation that exceeds the available memory. The kernel would not reject it, but kill a process (SIGKILL).
 *
 * @param needed in bytes
 * @throws DmaError `ENOMEM`
 */
export function checkHeadroom(what: string, needed: bigint): void {
  const headroom = memoryHeadroom();
  if (headroom !== undefined && needed > headroom.bytes) {
    const { bytes, cgroup } = headroom;
    const left = formatBytes(bytes > 0n ? (bytes >> 20n) << 20n : 0n);
    throw systemError(ENOMEM, {
      what,
      because: `it needs ${formatBytes(needed)} of memory, and ${cgroup === undefined ? 'the machine' : 'the memory cgroup'} has ${left} left`,
      hint:
        cgroup === undefined
          ? 'Ask for less, or stop something else: free -m shows what is available.'
          : `Raise the limit of ${cgroup}: MemoryMax= of systemd, docker run --memory=SIZE, resources.limits.memory of Kubernetes.`,
    });
  }
}

/** The error of a step that creates a file, or allocates its pages. */
export function reserveError(errno: number, what: string, syscall: string, fd: number): DmaError {
  if (syscall === 'fallocate' && errno === EBADF) {
    const because = 'it is not open for writing';
    return systemError(errno, { what, syscall, because, hint: 'Open the file for reading and writing.' });
  }
  return systemError(errno, {
    what,
    syscall,
    ...(syscall === 'fallocate' ? shortageOf(fd, missingBytes(fd)) : undefined),
  });
}

function missingBytes(fd: number): bigint {
  const { size, blocks } = fstatSync(fd, { bigint: true });
  return size - blocks * BLOCK;
}
