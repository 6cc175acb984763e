import { DmaError } from '../../streams/index.js';
import { PAGE_SIZE } from '../../streams/internal.js';
import { checkOptions, show } from '../checks.js';
import { MappedMemory } from './mapped-memory.js';
import { limitAreas } from './memory-areas.js';
import { native } from '../native.js';

/** Native code counts in bytes, where the end of the last page would be 0. */
const END = (1n << 64n) - PAGE_SIZE;

/** Options of `RamBlocks`. */
export interface RamBlocksOptions {
  /** `'advise'`: the kernel may use transparent huge pages (`MADV_HUGEPAGE`). Default: as the machine is configured. */
  readonly hugePages?: 'advise';
}

/**
 * Guest memory in this process: each file is mapped once, as much of it as possible, wherever the kernel places it. A mapping is a place in
 * such a block, as in the RAM blocks of QEMU. It costs no `mmap` and no memory area of the process.
 *
 * - Regular files, memfds among them, are known by device and inode number: all descriptors of a file share its blocks. A file is mapped
 *   whole at its first use, with the access that the descriptor allows. What it grows by later is another block.
 * - Everything else (VFIO devices, dma-bufs) is known by its `Mappable`, and only the requested range is mapped.
 * - Private memory is a block of its own.
 * - A block never moves. It is unmapped when no mapping, view or job uses it any more.
 * - A file of huge pages has blocks of whole huge pages; its mappings are multiples of 4 KiB.
 *
 * A mapping that is not writable rejects `write` and `view` with `EACCES`, though its pages may be mapped writable. Each `RamBlocks` has
 * blocks of its own. Guest physical addresses up to 2^64 - 4096 can be mapped. Use it only on the thread that created it.
 *
 * Use this class unless something relies on host address = base + guest physical address, which `AddressSpace` provides.
 *
 * If a mapping is released while a job of Node.js, or another thread, may still use a view of it, that continues to read and write the
 * contents of the file, which other mappings may show. `AddressSpace` cuts it off instead.
 *
 * @example
 * ```ts
 * import { MemoryRange } from 'dma-streams';
 * import { Memfd, RamBlocks } from 'dma-streams/binding';
 *
 * using memory = new RamBlocks();
 * using ram = Memfd.create('ram', 16n << 20n);
 * const backing = { mappable: ram, fileOffset: 0n };
 * memory.ensureMapped({ range: MemoryRange.of(0, 0xa0000), region: 'ram', type: 'ram', writable: true, backing });
 * memory.write(0x1000n, Buffer.from('hello'));
 * console.log(memory.read(0x1000n, 5).toString()); // hello
 * ```
 */
export class RamBlocks extends MappedMemory {
  /**
   * @param options.hugePages `'advise'`: the kernel may use transparent huge pages (`MADV_HUGEPAGE`)
   * @throws TypeError if `options` is not an object, or an option has the wrong type
   * @throws DmaError `ERR_ADDON_MISSING`
   */
  constructor(options: RamBlocksOptions = {}) {
    const { hugePages }: { readonly hugePages?: unknown } = checkOptions(options, { hugePages: true }, 'RamBlocks');
    if (hugePages !== undefined && hugePages !== 'advise') {
      throw new TypeError(`hugePages is ${show(hugePages)}, not 'advise'`);
    }
    const blocks = native().ramBlocksCreate(hugePages === 'advise');
    super(blocks, {
      name: 'this RamBlocks',
      end: END,
      beyond: (range) =>
        new DmaError(`guest memory ends at 0x${END.toString(16)}`, {
          code: 'ERR_BEYOND_ADDRESS_SPACE',
          range,
          hint: 'Place memory below the last page of the 64-bit address space.',
        }),
      areasOfMapping: 0,
    });
    limitAreas();
  }
}
