import type { MemoryRange } from '../../streams/index.js';
import type { SpaceHandle } from '../native.js';

/** An address space, as far as those need it who work for it, or have an address in it. */
export interface SpaceAccess {
  /** @throws DmaError `ERR_CLOSED` */
  open(): SpaceHandle;
  /** @throws DmaError `ERR_BEYOND_ADDRESS_SPACE` */
  checkInside(range: MemoryRange): void;
  /**
   * What native code knows it by, for batches, which have host virtual addresses computed there.
   *
   * @throws DmaError `ERR_CLOSED`
   */
  openId(): number;
  /** See `AddressSpace.read`. */
  read(gpa: bigint, length: number): Buffer;
  /** See `AddressSpace.write`. */
  write(gpa: bigint, data: Uint8Array): void;
}
