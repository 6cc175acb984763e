import { DmaError, type HostVa, type MemoryRange } from '../../streams/index.js';
import { checkBytes, toBytes } from '../checks.js';
import type { SpaceAccess } from './space-access.js';

/** The origin of a host virtual address: the guest memory that made it, and the guest physical range. */
export interface HostVaOrigin {
  readonly space: SpaceAccess;
  /** Guest physical addresses. */
  readonly range: MemoryRange;
}

/**
 * A `HostVa` that this module has issued. Other objects with the same shape have no origin, so a plain number can never become a pointer.
 *
 * All data is in private fields, which callers cannot change, and which are read ten times faster than a table beside the objects.
 */
class IssuedHostVa implements HostVa {
  /** As a double: addresses of a process are below 2^57, and this one is a multiple of 4096. */
  #address = 0;
  #origin: HostVaOrigin | undefined;

  constructor(origin: HostVaOrigin) {
    this.#origin = origin;
  }

  get address(): bigint {
    return BigInt(this.#address);
  }

  /** `undefined` if it was not issued here, or was revoked. */
  static originOf(hostVa: unknown): HostVaOrigin | undefined {
    return typeof hostVa === 'object' && hostVa !== null && #origin in hostVa ? hostVa.#origin : undefined;
  }

  static place(hostVa: HostVa, address: number): void {
    if (#origin in hostVa) {
      hostVa.#address = address;
    }
  }

  static revoke(hostVa: HostVa): void {
    if (#origin in hostVa) {
      hostVa.#origin = undefined;
    }
  }

  /** JSON goes to logs and other machines: an address of this process has no use there. */
  toJSON(): string {
    return 'host address';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): HostVa {
    return { address: this.address };
  }
}

/** Makes the opaque address of a mapping that is about to be made. For `MappedMemory`. */
export function issueHostVa(origin: HostVaOrigin): HostVa {
  return new IssuedHostVa(origin);
}

/** Sets the address once the mapping was made. For `MappedMemory`. */
export function placeHostVa(hostVa: HostVa, address: number): void {
  IssuedHostVa.place(hostVa, address);
}

/** Makes the address invalid when its mapping is released. For `MappedMemory`. */
export function revokeHostVa(hostVa: HostVa): void {
  IssuedHostVa.revoke(hostVa);
}

/**
 * The guest memory and the guest physical range of a `HostVa`. For targets that map by host virtual address.
 *
 * @throws DmaError `ERR_INVALID_HOST_VA` if neither an `AddressSpace` nor `RamBlocks` made it, or if its mapping was released
 */
export function resolveHostVa(hostVa: HostVa): HostVaOrigin {
  const origin = IssuedHostVa.originOf(hostVa);
  if (origin?.space.isOpen !== true) {
    throw new DmaError('this host virtual address is not, or no longer, one that an AddressSpace or RamBlocks made', {
      code: 'ERR_INVALID_HOST_VA',
      hint: 'Pass on the object that ensureMapped returned, and not after the mapping was released.',
    });
  }
  return origin;
}

/**
 * Copies `length` bytes from the mapping of `hostVa`, starting at `offset` bytes into it.
 *
 * @throws DmaError `ERR_INVALID_HOST_VA`, and as `GuestMemory.read`; `RangeError` beyond the mapping
 */
export function readHostVa(hostVa: HostVa, offset: bigint, length: number): Buffer {
  const { space, range } = resolveHostVa(hostVa);
  checkInside(range, offset, length);
  return space.read(range.start + offset, length);
}

/**
 * Copies `data` into the mapping of `hostVa`, starting at `offset` bytes into it.
 *
 * @throws DmaError `ERR_INVALID_HOST_VA`, and as `GuestMemory.write`; `RangeError` beyond the mapping
 */
export function writeHostVa(hostVa: HostVa, offset: bigint, data: Uint8Array): void {
  const { space, range } = resolveHostVa(hostVa);
  checkBytes(data, 'data');
  checkInside(range, offset, data.byteLength);
  space.write(range.start + offset, data);
}

function checkInside(range: MemoryRange, offset: bigint, length: number): void {
  toBytes(offset, 'offset');
  toBytes(length, 'length');
  if (offset + BigInt(length) > range.length) {
    throw new RangeError(
      `offset 0x${offset.toString(16)} and length ${length} reach beyond the mapping ${range.toString()}`,
    );
  }
}
