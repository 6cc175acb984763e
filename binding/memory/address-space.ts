import { DmaError, type MemoryRange } from '../../streams/index.js';
import { PAGE_SIZE } from '../../streams/internal.js';
import { checkOptions, toSize } from '../checks.js';
import { reserveError } from './address-space-errors.js';
import { MappedMemory } from './mapped-memory.js';
import { native } from '../native.js';

/** The mapping itself, and the second part of the unmapped area that it splits. */
const AREAS_OF_A_MAPPING = 2;

/**
 * Guest memory in this process: one reservation of host virtual addresses, in which memory is mapped at base + GPA.
 *
 * The reservation uses no memory, whatever its size. Unmapped parts are inaccessible, and the kernel places no other mapping of the process
 * there. Use it only on the thread that created it.
 *
 * Each mapping costs an `mmap`, and a memory area of the process (`vm.max_map_count`) unless it continues its neighbour in the same file.
 * Address, length and file offset must be multiples of the page size of the file, also of a huge page. `RamBlocks` has neither limit: use
 * this class where base + GPA is needed.
 *
 * If memory is released while a job of Node.js, or another thread, may still use a view of it, that reads the old bytes or zeros, and its
 * writes are lost. What is mapped there meanwhile is placed elsewhere. Until then, each such range counts as a memory area of the process.
 *
 * @example
 * ```ts
 * import { MemoryRange } from 'dma-streams';
 * import { AddressSpace } from 'dma-streams/binding';
 *
 * using space = new AddressSpace({ size: 1n << 40n });
 * space.ensureMapped({ range: MemoryRange.of(0, 0x10000), region: 'ram', type: 'ram', writable: true, backing: 'private' });
 * space.write(0x1000n, Buffer.from('hello'));
 * ```
 */
export class AddressSpace extends MappedMemory {
  /** In bytes. Guest physical addresses in [0, size) can be mapped. */
  readonly size: bigint;

  /**
   * @param options.size in bytes, a multiple of 4096, larger than all guest physical addresses. 1 TiB uses no memory.
   * @throws TypeError if `options` is not an object, or `size` neither a bigint nor a number
   * @throws RangeError if `size` is not positive, or not a multiple of 4096
   * @throws DmaError `ENOMEM` if the process has no free address range of that size; `ERR_ADDON_MISSING`
   */
  constructor(options: { readonly size: bigint | number }) {
    const { size: bytes } = checkOptions(options, { size: true }, 'AddressSpace');
    const size = toSize(bytes, 'size', PAGE_SIZE);
    const space = native().addressSpaceReserve(size);
    if (typeof space === 'number') {
      throw reserveError(space, size);
    }
    super(space, {
      name: 'this address space',
      end: size,
      beyond: (range) => beyondError(range, size),
      areasOfMapping: AREAS_OF_A_MAPPING,
    });
    this.size = size;
  }
}

function beyondError(range: MemoryRange, size: bigint): DmaError {
  return new DmaError(`the address space ends at 0x${size.toString(16)}`, {
    code: 'ERR_BEYOND_ADDRESS_SPACE',
    range,
    hint: `Make it at least 0x${range.end.toString(16)} bytes long (reserved addresses cost no memory), or use RamBlocks, which has no size.`,
  });
}
