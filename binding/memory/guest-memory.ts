import type { MemoryRange } from '../../streams/index.js';

/**
 * What a VMM does with guest memory, by guest physical address. `AddressSpace` and `RamBlocks` implement it.
 *
 * @example
 * ```ts
 * import { RamBlocks, type GuestMemory } from 'dma-streams/binding';
 *
 * function increment(memory: GuestMemory, gpa: bigint): void {
 *   const counter = memory.read(gpa, 4);
 *   counter.writeUInt32LE((counter.readUInt32LE() + 1) >>> 0);
 *   memory.write(gpa, counter);
 * }
 *
 * using memory = new RamBlocks();
 * console.log(typeof increment, memory.mappedRanges()); // function []
 * ```
 */
export interface GuestMemory {
  /**
   * Copies from guest memory, also across mappings.
   *
   * @param gpa guest physical address, in bytes
   * @param length in bytes
   * @throws DmaError `EFAULT` if a byte is not mapped, or its page cannot be allocated; `ERANGE` beyond the end of guest memory;
   * `ERR_CLOSED`
   */
  read(gpa: bigint | number, length: bigint | number): Buffer;
  /**
   * Copies into guest memory, also across mappings. On failure: the bytes before the failing one may have been written.
   *
   * @param gpa guest physical address, in bytes
   * @throws DmaError `EFAULT` and `ERANGE` as in `read`; `EACCES` if a byte is read-only; `ERR_CLOSED`
   */
  write(gpa: bigint | number, data: Uint8Array): void;
  /**
   * A live view of guest memory, which becomes empty when a mapping in the range is released.
   *
   * @throws DmaError `EFAULT` if a page is not mapped; `EACCES` if one is read-only; `EOPNOTSUPP` if its file can lose pages;
   * `EADDRNOTAVAIL` if its mappings are not contiguous in host memory; `E2BIG` above 4 GiB;
   * `ERR_BEYOND_ADDRESS_SPACE`; `ERR_CLOSED`
   */
  view(range: MemoryRange): Uint8Array;
}
