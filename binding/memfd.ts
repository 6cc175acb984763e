import type { Mappable } from '../streams/region.js';
import { checkFd, checkLabel, checkSize, show } from './check.js';
import { closedError, formatBytes, systemError } from './errors.js';
import { native } from './native.js';
import type { FileHandle } from './native.js';
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

/** Only `create` and `from` construct: it is not exported. */
const PASS = Symbol('Memfd');

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
    if (pass !== PASS) {
      throw new TypeError('a Memfd is made by Memfd.create or Memfd.from');
    }
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
   * With huge pages `size` is a multiple of the page size, and all of them are reserved at once.
   *
   * On failure: nothing is left behind.
   *
   * @param label for messages and for `/proc/self/maps`
   * @param size in bytes, a multiple of 4096
   * @throws RangeError when `size` is not positive, or not a multiple of the page size
   * @throws DmaError `ENOMEM` when there are not enough huge pages, `ENODEV` when the machine has none of that size,
   * `EMFILE`, `EFBIG`; `ERR_ADDON_MISSING`
   */
  static create(label: string, size: bigint, options: { readonly hugePages?: '2M' | '1G' } = {}): Memfd {
    checkLabel(label, 'label');
    const { hugePages } = options;
    if (hugePages !== undefined && !Object.hasOwn(HUGE_PAGES, hugePages)) {
      throw new TypeError(`hugePages is ${show(hugePages)}, not '2M' or '1G'`);
    }
    const huge = hugePages === undefined ? undefined : HUGE_PAGES[hugePages];
    checkSize(size, 'size', huge?.size ?? 4096n);
    const what = `cannot create memfd "${label}" of ${formatBytes(size)}${hugePages === undefined ? '' : ` in ${hugePages} pages`}`;

    const flags = MFD_ALLOW_SEALING | (huge === undefined ? 0 : MFD_HUGETLB | (huge.shift << MFD_HUGE_SHIFT));
    const file = native().memfdCreate(kernelName(label), flags);
    if (typeof file === 'number') {
      throw systemError(file, { what, syscall: 'memfd_create', hint: huge === undefined ? undefined : NO_SUCH_PAGES });
    }
    const steps: readonly (readonly [syscall: string, step: () => number])[] = [
      ['ftruncate', () => native().fileTruncate(file, size)],
      ['mmap', () => (huge === undefined ? 0 : native().fileReserve(file, size))],
      ['fcntl(F_ADD_SEALS)', () => native().fileSeal(file, F_SEAL_SHRINK | F_SEAL_GROW)],
    ];
    for (const [syscall, step] of steps) {
      const result = step();
      if (result < 0) {
        native().fileClose(file);
        throw systemError(result, {
          what,
          syscall,
          hint: huge === undefined ? undefined : hugePageHint(huge.size, size / huge.size),
        });
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

  /** Closes the descriptor. What is mapped from it stays mapped. Again: nothing. */
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
