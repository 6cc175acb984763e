import { writeSync } from 'node:fs';
import type { RamBlocks } from '../../binding/index.js';
import type { FileBacking, MapChange } from '../../streams/index.js';

/** How the host reaches guest memory, to compare with what a device sees. */
export interface GuestMemory {
  /** Makes these mappings reachable, until the next call. @throws DmaError when there is no address for one */
  show(mappings: readonly MapChange[]): void;
  read(mapping: MapChange, address: bigint, length: number): Buffer;
  write(mapping: MapChange, address: bigint, data: Uint8Array): void;
}

/**
 * Through the VA mapper: reads all, and writes what the guest may write. ROM is written through its file, as firmware is
 * loaded.
 */
export class MappedGuestMemory implements GuestMemory {
  readonly #memory: RamBlocks;
  readonly #heldByManager: boolean;
  #shown: readonly MapChange[] = [];

  /** `heldByManager`: the region manager has made all addresses, for a target that needs them, and takes them away. */
  constructor(memory: RamBlocks, heldByManager: boolean) {
    this.#memory = memory;
    this.#heldByManager = heldByManager;
  }

  show(mappings: readonly MapChange[]): void {
    if (this.#heldByManager) {
      return;
    }
    for (const { range } of this.#shown) {
      this.#memory.release(range);
    }
    this.#shown = [];
    const shown: MapChange[] = [];
    this.#shown = shown;
    for (const mapping of mappings) {
      this.#memory.ensureMapped(mapping);
      shown.push(mapping);
    }
  }

  read(_mapping: MapChange, address: bigint, length: number): Buffer {
    return this.#memory.read(address, length);
  }

  write(mapping: MapChange, address: bigint, data: Uint8Array): void {
    if (mapping.writable) {
      this.#memory.write(address, data);
    } else {
      writeBacking(mapping, address, data);
    }
  }
}

function writeBacking(mapping: MapChange, address: bigint, data: Uint8Array): void {
  const { mappable, fileOffset } = fileBacking(mapping);
  const position = fileOffset + (address - mapping.range.start);
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`file offset 0x${position.toString(16)} is above 2^53: Node cannot write there`);
  }
  writeSync(mappable.fd, data, 0, data.length, Number(position));
}

/** Where in its file an address of the mapping lies. A replay has no private memory. */
export function fileBacking(mapping: MapChange): FileBacking {
  if (mapping.backing === 'private') {
    throw new TypeError(`mapping ${mapping.range.toString()} is private memory: it has no file`);
  }
  return mapping.backing;
}
