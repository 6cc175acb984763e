import { Memfd } from '../binding/index.js';
import { DmaError } from '../streams/index.js';

interface Block {
  /** In bytes, as far as is known. */
  size: bigint;
  /** Sections that are expected or there. */
  uses: number;
  /** The last one is used for new sections. The others became too small. */
  readonly files: Memfd[];
}

/**
 * The memory of a guest: one file for each memory region, made when it is first needed, and closed when no section of it is there or to come: a
 * machine may have more memory regions, one after the other, than a process may have files. A file takes no memory until it is written.
 */
export class MemoryFiles implements Disposable {
  readonly #blocks = new Map<string, Block>();

  /** A section of this memory region is to come, whose last byte in it is that before `size`. Each has to be ended by `done`. */
  expect(name: string, size: bigint): void {
    const block = this.#blocks.get(name) ?? { size, uses: 0, files: [] };
    block.uses++;
    block.size = size > block.size ? size : block.size;
    this.#blocks.set(name, block);
  }

  /**
   * The file for a section that was expected. If the memory region has turned out to be larger than its file, there is a new file for it, and
   * earlier sections keep the old one.
   *
   * @throws DmaError when there is no memory, or no file descriptor, for it
   */
  fileOf(name: string): Memfd {
    const block = this.#blocks.get(name);
    if (block === undefined) {
      throw new TypeError(`no section of the memory region ${JSON.stringify(name)} was expected`);
    }
    const last = block.files.at(-1);
    if (last !== undefined && last.size >= block.size) {
      return last;
    }
    const file = this.#create(name, block.size);
    block.files.push(file);
    return file;
  }

  /** A section of this memory region is gone, or does not come. */
  done(name: string): void {
    const block = this.#blocks.get(name);
    if (block !== undefined && --block.uses === 0) {
      closeAll(block);
      this.#blocks.delete(name);
    }
  }

  #create(name: string, size: bigint): Memfd {
    try {
      return Memfd.create(labelOf(name), size);
    } catch (error) {
      if (!(error instanceof DmaError) || error.code !== 'EMFILE') {
        throw error;
      }
      const open = [...this.#blocks.values()].reduce((sum, { files }) => sum + files.length, 0);
      throw new DmaError(`no file descriptor for memory block ${JSON.stringify(name)}: ${open} blocks are open`, {
        code: 'EMFILE',
        hint: 'each memory block is an open file: raise the limit with ulimit -n',
        cause: error,
      });
    }
  }

  [Symbol.dispose](): void {
    for (const block of this.#blocks.values()) {
      closeAll(block);
    }
    this.#blocks.clear();
  }
}

function closeAll({ files }: Block): void {
  for (const file of files) {
    file.close();
  }
}

/** `memfd_create` takes at most 249 bytes, and `/proc` shows them: plain characters only. */
function labelOf(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
}
