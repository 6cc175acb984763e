import type { Mappable } from '../streams/index.js';
import { printable, toBytes } from '../streams/internal.js';

/** Greater than any file descriptor that a process can have (`fs.nr_open` is at most 2^30), so that a system call with it fails. */
const FIRST_FAKE_FD = 0x7000_0000;

let created = 0;

/**
 * A `Mappable` without a file, for code that passes mappables on and does not use their descriptors. Its descriptor is a number that no file
 * has: a system call with it fails with `EBADF`. After `close` reading `fd` throws, as for a closed `Memfd`.
 *
 * @example
 * ```ts
 * import { FakeMappable, mapOf } from 'dma-streams/testing';
 *
 * const bios = new FakeMappable('bios', 0x4_0000n);
 * const change = mapOf('0xfffc0000-0x100000000', { writable: false, backing: { mappable: bios, fileOffset: 0n } });
 * ```
 */
export class FakeMappable implements Mappable {
  readonly label: string;
  declare readonly size?: bigint;
  readonly #fd = FIRST_FAKE_FD + created++;
  #closed = false;

  /** @param size in bytes; if omitted, mappings of it may have any length */
  constructor(label = 'fake', size?: bigint | number) {
    this.label = label;
    if (size !== undefined) {
      this.size = toBytes(size, 'size');
    }
  }

  /** A number that no file has. @throws Error when closed */
  get fd(): number {
    if (this.#closed) {
      throw new Error(`mappable "${this.label}" is closed`);
    }
    return this.#fd;
  }

  /** From now on reading `fd` throws. */
  close(): void {
    this.#closed = true;
  }

  static {
    printable(this, (file) => ({ label: file.label, closed: file.#closed }));
  }
}
