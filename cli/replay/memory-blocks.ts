import { Memfd } from '../../binding/index.js';
import { DmaError } from '../../streams/index.js';
import { codeOf } from '../errors.js';
import { isMapped } from '../trace/section.js';
import type { MemoryBlock, Trace } from '../trace/trace.js';

/** The guest's memory: one memfd for each memory block, made when it is first needed. */
export class MemoryBlocks implements Disposable {
  readonly #blocks: ReadonlyMap<string, MemoryBlock>;
  /** By block name: sections of the rest of the trace, and those that are placed. At none, the memfd has had its day. */
  readonly #uses = new Map<string, number>();
  readonly #open = new Map<string, Memfd>();

  constructor(trace: Trace) {
    this.#blocks = trace.blocks;
    for (const commit of trace.commits) {
      for (const { name } of commit.adds.filter(isMapped)) {
        this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
      }
    }
  }

  /** @throws DmaError when there is no memory, or no file descriptor, for it */
  memfdOf(name: string): Memfd {
    const open = this.#open.get(name);
    if (open !== undefined) {
      return open;
    }
    const size = this.#blocks.get(name)?.size;
    if (size === undefined) {
      throw new TypeError(`the trace knows no memory block ${JSON.stringify(name)}`);
    }
    const memfd = this.#create(name, size);
    this.#open.set(name, memfd);
    return memfd;
  }

  /**
   * A section of this block is gone for good. With its last one the memfd is closed: a trace may name more blocks, one after
   * the other, than a process may have files.
   */
  done(name: string): void {
    const uses = (this.#uses.get(name) ?? 0) - 1;
    this.#uses.set(name, uses);
    if (uses === 0) {
      this.#open.get(name)?.close();
      this.#open.delete(name);
    }
  }

  #create(name: string, size: bigint): Memfd {
    try {
      return Memfd.create(labelOf(name), size);
    } catch (error) {
      if (codeOf(error) !== 'EMFILE') {
        throw error;
      }
      throw new DmaError(
        `no file descriptor for memory block ${JSON.stringify(name)}: ${this.#open.size} blocks are open`,
        {
          code: 'EMFILE',
          hint: 'each memory block is an open file: raise the limit with ulimit -n',
          cause: error,
        },
      );
    }
  }

  [Symbol.dispose](): void {
    for (const memfd of this.#open.values()) {
      memfd.close();
    }
    this.#open.clear();
  }
}

/** `memfd_create` takes at most 249 bytes, and `/proc` shows them: plain characters only. */
function labelOf(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
}
