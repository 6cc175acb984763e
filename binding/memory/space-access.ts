import type { MemoryRange } from '../../streams/index.js';
import type { SpaceHandle } from '../native.js';

/** The parts of `MappedMemory` that its components and its host virtual addresses use. */
export interface SpaceAccess {
  /** Most memory areas that a further mapping adds, other than those that native code counts itself before it adds them. */
  readonly areasOfMapping: number;
  readonly isOpen: boolean;
  /** @throws DmaError `ERR_CLOSED` */
  open(): SpaceHandle;
  /** @throws DmaError `ERR_BEYOND_ADDRESS_SPACE` */
  checkInside(range: MemoryRange): void;
  /**
   * The id of the memory in native code, which computes the host virtual addresses of batches.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  openId(): number;
  /** See `MappedMemory.read`. */
  read(gpa: bigint, length: number): Buffer;
  /** See `MappedMemory.write`. */
  write(gpa: bigint, data: Uint8Array): void;
}
