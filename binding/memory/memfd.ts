import { PAGE_SIZE } from '../../streams/internal.js';
import { checkPass, PASS } from '../constructor-pass.js';
import type { Mappable } from '../../streams/index.js';
import { checkFd, checkLabel, checkSize, show } from '../checks.js';
import { closedError, formatBytes, systemError } from '../errors.js';
import { native } from '../native.js';
import type { FileHandle } from '../native.js';
import { allocateAll, checkHeadroom, reserveError } from './reserve-pages.js';
import { hugePageHint } from './shortage.js';

// Of <linux/memfd.h> and <linux/fcntl.h>.
const MFD_ALLOW_SEALING = 0x0002;
const MFD_HUGETLB = 0x0004;
const MFD_HUGE_SHIFT = 26;
const F_SEAL_SHRINK = 0x0002;
const F_SEAL_GROW = 0x0004;

// Of <linux/stat.h>.
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

/** Longest name that `memfd_create` takes, in bytes. */
const LONGEST_NAME = 249;

export interface MemfdOptions {
  /** The size of its pages; default: those of the machine, 4 KiB. */
  readonly hugePages?: '2M' | '1G';
  /** All pages are allocated at creation. */
  readonly reserve?: boolean;
}

/** Only `create` and `from` construct: it is not exported. */
/**
 * An anonymous file in memory, or any other file that can be mapped, with the duty to close its descriptor: once, by
 * `close()`, `using`, garbage collection, or the end of the thread.
 */
export class Memfd implements Mappable, Disposable {
  /** For messages; of a created one also its name in `/proc/self/maps`. */
  readonly label: string;
  readonly #fd: number;
  /** Known once and for all where the file is sealed. */
  readonly #size: bigint | undefined;
  #file: FileHandle | undefined;

  private constructor(pass: symbol, file: FileHandle, label: string, size: bigint | undefined) {
    checkPass(pass, 'a Memfd is made by Memfd.create or Memfd.from');
    this.label = label;
    this.#file = file;
    this.#fd = native().fileFd(file);
    this.#size = size;
  }

  /**
   * Guest memory of its own: `size` bytes of zeros, closed on exec, that take up memory as they are touched.
   *
   * Sealed against shrinking, so that no process which shares it can make a load fault, and against growing, so that its size
   * is what it says for good. It is not sealed against further seals: to share it read-only, add `F_SEAL_FUTURE_WRITE`.
   *
   * With huge pages `size` is a multiple of the page size, and all of them are set aside at once.
   *
   * With `reserve` all pages are there when this returns, so that no first touch of one can fail. That takes a quarter of a second for each
   * GiB, or longer, in which the event loop stands still: to add memory to a running machine, create it without, and await `reserve()`.
   *
   * On failure: nothing is left behind.
   *
   * @param label for messages and for `/proc/self/maps`
   * @param size in bytes, a multiple of 4096
   * @param options.reserve allocate all pages now; default: false
   * @throws RangeError when `size` is not positive, or not a multiple of the page size
   * @throws DmaError `ENOMEM` when there are not enough huge pages, `ENODEV` when the machine has none of that size,
   * `EMFILE`, `EFBIG`; with `reserve` also as `reserve()`; `ERR_ADDON_MISSING`
   */
  static create(label: string, size: bigint, options: MemfdOptions = {}): Memfd {
    checkLabel(label, 'label');
    const { hugePages, reserve = false } = options;
    if (typeof reserve !== 'boolean') {
      throw new TypeError(`reserve is ${show(reserve)}, not true or false`);
    }
    if (hugePages !== undefined && !Object.hasOwn(HUGE_PAGES, hugePages)) {
      throw new TypeError(`hugePages is ${show(hugePages)}, not '2M' or '1G'`);
    }
    const huge = hugePages === undefined ? undefined : HUGE_PAGES[hugePages];
    checkSize(size, 'size', huge?.size ?? PAGE_SIZE);
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
        // Frees at once what was allocated, also where closing would leave that to another thread: a smaller one may be asked for next.
        native().fileTruncate(file, 0n);
        native().fileClose(file);
        throw error;
      }
    }
    return new Memfd(PASS, file, label, size);
  }

  /**
   * Takes a duplicate of `fd`, closed on exec; the caller keeps its own.
   *
   * The file is taken as it is. Where it is not sealed against shrinking, `AddressSpace` copies from it and to it through the
   * kernel, which answers with an error when somebody has cut it short, and gives no views of it.
   *
   * @throws DmaError `EBADF` when `fd` is not open, `ENODEV` for a pipe, a socket or a directory, `EMFILE`
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

  /** @throws DmaError `ERR_CLOSED` */
  get fd(): number {
    this.#open();
    return this.#fd;
  }

  /**
   * In bytes. Of a file that was not created here: as it is now.
   *
   * @throws DmaError `ERR_CLOSED`
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
   * Allocates all pages that are missing, on another thread, so that no first touch of one can fail: of a created file, or of any other one,
   * for which the file system has to have room. Contents stay as they are. Of a file on a disk it allocates the blocks.
   *
   * It lasts until somebody punches a hole into the file, which every process that may write it can.
   *
   * On failure: the pages that were allocated until then stay so. `close()` meanwhile ends it early.
   *
   * @throws DmaError `ENOMEM` when the machine, or the memory cgroup of this process, does not have so much memory to spare: the kernel would
   * end the process for it (SIGKILL); `ENOSPC` when the file system is full, no huge page is free, or no more memory may be committed
   * (`vm.overcommit_memory=2`); `EBADF` when the file is not open for writing; `EOPNOTSUPP`, `ENODEV` when it cannot be reserved; `ERR_CLOSED`
   */
  reserve(): Promise<void> {
    return allocateAll(this.#fd, this.label, () => this.#open());
  }

  /**
   * Closes the descriptor: its number is free when this returns. What is mapped from it stays mapped. Again: nothing.
   *
   * Where that frees more than 4 MiB, the pages are freed on another thread, which takes about a tenth of a second for each GiB.
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
}

/** A name that the kernel takes: without NUL, and short enough. */
function kernelName(label: string): string {
  let name = label.replaceAll('\0', '?');
  while (Buffer.byteLength(name) > LONGEST_NAME) {
    name = name.slice(0, -1);
  }
  return name;
}
