import { madeBy, PAGE_SIZE, printable } from '../../streams/internal.js';
import { checkPass, PASS } from '../constructor-pass.js';
import type { Mappable } from '../../streams/index.js';
import { checkFd, checkLabel, checkOptions, show, toSize } from '../checks.js';
import { closedError, formatBytes, systemError } from '../errors.js';
import { native } from '../native.js';
import type { FileHandle } from '../native.js';
import { allocateAll, checkHeadroom, reserveError } from './reserve-pages.js';
import { hugePageHint } from './shortage.js';

// From <linux/memfd.h> and <linux/fcntl.h>.
const MFD_ALLOW_SEALING = 0x0002;
const MFD_HUGETLB = 0x0004;
const MFD_HUGE_SHIFT = 26;
const F_SEAL_SHRINK = 0x0002;
const F_SEAL_GROW = 0x0004;

// From <linux/stat.h>.
const S_IFMT = 0o170000;
const UNMAPPABLE = new Map([
  [0o010000, 'a pipe'],
  [0o040000, 'a directory'],
  [0o140000, 'a socket'],
]);

const HUGE_PAGES = {
  '2M': { size: 1n << 21n, shift: 21 },
  '1G': { size: 1n << 30n, shift: 30 },
} as const;

const NO_SUCH_PAGES =
  'This kernel has no pages of that size: ls /sys/kernel/mm/hugepages shows which it has; 1 GiB pages need the CPU flag pdpe1gb.';

/** Longest name that `memfd_create` accepts, in bytes. */
const LONGEST_NAME = 249;

/** Options of `Memfd.create`. */
export interface MemfdOptions {
  /** Page size of the file. Default: the base page size of the machine, 4 KiB. */
  readonly hugePages?: '2M' | '1G';
  /** Whether to allocate all pages at creation. Default: false. */
  readonly reserve?: boolean;
}

/**
 * An anonymous file in memory, or any other file that can be mapped. Made by `create` or `from`; the constructor is internal.
 *
 * It owns its file descriptor, which is closed exactly once: by `close()`, `using`, garbage collection, or the end of the thread.
 *
 * @example
 * ```ts
 * import { Memfd } from 'dma-streams/binding';
 *
 * using ram = Memfd.create('ram', 16n << 20n);
 * console.log(ram.size); // 16777216n
 * await ram.reserve();
 * ```
 */
export class Memfd implements Mappable, Disposable {
  /** Name in messages. For a created file also its name in `/proc/self/maps`. */
  readonly label: string;
  readonly #fd: number;
  /** Size of a created file, in bytes. It is constant, because the file is sealed. `undefined` for a duplicated file. */
  readonly #size: bigint | undefined;
  #file: FileHandle | undefined;

  private constructor(pass: symbol, file: FileHandle, label: string, size: bigint | undefined) {
    checkPass(pass, Memfd);
    this.label = label;
    this.#file = file;
    this.#fd = native().fileFd(file);
    this.#size = size;
  }

  /**
   * Creates new guest memory: `bytes` bytes of zeros. The descriptor is closed on exec. Each page is allocated at its first access.
   *
   * The file is sealed against shrinking, so that a process that shares it cannot cause page faults by truncating it. It is sealed against
   * growing, so that its size is constant. Further seals can be added: to share it read-only, add `F_SEAL_FUTURE_WRITE`.
   *
   * With huge pages, `bytes` is a multiple of the huge page size, and all huge pages are reserved at creation.
   *
   * With `reserve`, all pages are allocated when this returns, so that no first access can fail. The call blocks the event loop for a
   * quarter of a second per GiB, or longer. To add memory to a running machine, omit the option and await `reserve()`.
   *
   * On failure: nothing is left behind.
   *
   * @param label name in messages and in `/proc/self/maps`
   * @param bytes the size, a multiple of 4096
   * @param options.reserve whether to allocate all pages now. Default: false
   * @throws TypeError if `label`, `bytes`, `options` or an option has the wrong type
   * @throws RangeError if `bytes` is not positive, or not a multiple of the page size
   * @throws DmaError `ENOMEM` if there are not enough huge pages; `ENODEV` if the machine has no huge pages of that size;
   * `EMFILE`; `EFBIG`; with `reserve` also the errors of `reserve()`; `ERR_ADDON_MISSING`
   */
  static create(label: string, bytes: bigint | number, options: MemfdOptions = {}): Memfd {
    checkLabel(label, 'label');
    const { hugePages, reserve = false } = checkOptions(options, { hugePages: true, reserve: true }, 'Memfd.create');
    if (typeof reserve !== 'boolean') {
      throw new TypeError(`reserve is ${show(reserve)}, not true or false`);
    }
    if (hugePages !== undefined && !Object.hasOwn(HUGE_PAGES, hugePages)) {
      throw new TypeError(`hugePages is ${show(hugePages)}, not '2M' or '1G'`);
    }
    const huge = hugePages === undefined ? undefined : HUGE_PAGES[hugePages];
    const size = toSize(bytes, 'size', huge?.size ?? PAGE_SIZE);
    const what = `cannot create memfd "${label}" of ${formatBytes(size)}${hugePages === undefined ? '' : ` in ${hugePages} pages`}`;

    if (reserve && huge === undefined) {
      checkHeadroom(what, size);
    }
    const flags = MFD_ALLOW_SEALING | (huge === undefined ? 0 : MFD_HUGETLB | (huge.shift << MFD_HUGE_SHIFT));
    const file = native().memfdCreate(kernelName(label), flags);
    if (typeof file === 'number') {
      throw systemError(file, { what, syscall: 'memfd_create', hint: huge === undefined ? undefined : NO_SUCH_PAGES });
    }
    const steps: readonly (readonly [syscall: string, step: () => number])[] = [
      ['ftruncate', () => native().fileTruncate(file, size)],
      ['mmap', () => (huge === undefined ? 0 : native().fileReserve(file, size))],
      ['fallocate', () => (reserve ? native().fileAllocate(file, 0n, size, false) : 0)],
      ['fcntl(F_ADD_SEALS)', () => native().fileSeal(file, F_SEAL_SHRINK | F_SEAL_GROW)],
    ];
    for (const [syscall, step] of steps) {
      const result = step();
      if (result < 0) {
        const error =
          huge === undefined
            ? reserveError(result, what, syscall, native().fileFd(file))
            : systemError(result, { what, syscall, hint: hugePageHint(huge.size, size / huge.size) });
        // Frees the pages before this returns, as closing may free them on another thread: the caller may retry with a smaller size.
        native().fileTruncate(file, 0n);
        native().fileClose(file);
        throw error;
      }
    }
    return new Memfd(PASS, file, label, size);
  }

  /**
   * Duplicates `fd`. The duplicate is closed on exec. The caller keeps `fd`, and closes it.
   *
   * The file is not changed: no seals are added. If it is not sealed against shrinking, `RamBlocks` and `AddressSpace` copy through the kernel, which
   * returns an error if the file was truncated, and `view` rejects it.
   *
   * On failure: no descriptor stays open.
   *
   * @param label name in messages
   * @throws TypeError or RangeError if an argument is invalid
   * @throws DmaError `EBADF` if `fd` is not open; `ENODEV` for a pipe, a socket or a directory; `EMFILE`
   */
  static from(fd: number, label: string): Memfd {
    checkFd(fd, 'fd');
    checkLabel(label, 'label');
    const what = `cannot duplicate file descriptor ${fd} ("${label}")`;
    const file = native().fileDuplicate(fd);
    if (typeof file === 'number') {
      throw systemError(file, { what, syscall: 'fcntl(F_DUPFD_CLOEXEC)' });
    }
    const status = native().fileStatus(file);
    const kind = typeof status === 'number' ? undefined : UNMAPPABLE.get(status.mode & S_IFMT);
    if (kind !== undefined) {
      native().fileClose(file);
      throw systemError(-19, { what, because: `it is ${kind}, which cannot be mapped` });
    }
    return new Memfd(PASS, file, label, undefined);
  }

  /**
   * The file descriptor. It stays owned by this object: do not close it.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  get fd(): number {
    this.#open();
    return this.#fd;
  }

  /**
   * Size in bytes. For a file that was not made by `create`: its current size.
   *
   * @throws DmaError `ERR_CLOSED`; the error of `fstat`
   */
  get size(): bigint {
    const file = this.#open();
    if (this.#size !== undefined) {
      return this.#size;
    }
    const status = native().fileStatus(file);
    if (typeof status === 'number') {
      throw systemError(status, { what: `cannot tell the size of "${this.label}"`, syscall: 'fstat' });
    }
    return status.size;
  }

  /**
   * Allocates all missing pages on another thread, so that no first access can fail. Works for created files and for all other files whose
   * file system has enough space. The contents do not change. For a file on a disk, it allocates the blocks.
   *
   * The allocation lasts until a process punches a hole into the file. Every process with write access can do that.
   *
   * On failure: pages that were allocated before the failure stay allocated. `close()` during the call ends it early.
   *
   * @throws DmaError `ENOMEM` if the machine, or the memory cgroup of this process, does not have enough free memory: the kernel would
   * kill the process (SIGKILL); `ENOSPC` if the file system is full, no huge page is free, or no more memory can be committed
   * (`vm.overcommit_memory=2`); `EBADF` if the file is not open for writing; `EOPNOTSUPP` or `ENODEV` if the file does not support it;
   * `ERR_CLOSED`
   */
  reserve(): Promise<void> {
    return allocateAll(this.#fd, this.label, () => this.#open());
  }

  /**
   * Closes the descriptor. Its number can be reused when this returns. Existing mappings of the file stay. Calling it again has no effect.
   *
   * If this frees more than 4 MiB, the pages are freed on another thread, which takes about a tenth of a second per GiB.
   */
  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) {
      native().fileClose(file);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): FileHandle {
    if (this.#file === undefined) {
      throw closedError(`memfd "${this.label}"`);
    }
    return this.#file;
  }

  static {
    madeBy(this, 'Memfd.create or Memfd.from');
    printable(this, (memfd) => ({ label: memfd.label, size: memfd.#size, closed: memfd.#file === undefined }));
  }
}

/** A name that `memfd_create` accepts: without NUL, at most `LONGEST_NAME` bytes. */
function kernelName(label: string): string {
  let name = label.replaceAll('\0', '?');
  while (Buffer.byteLength(name) > LONGEST_NAME) {
    name = name.slice(0, -1);
  }
  return name;
}
