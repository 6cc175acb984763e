import { readSync, writeSync } from 'node:fs';
import type { GuestMemory } from '../../binding/index.js';
import type { MapChange } from '../../streams/index.js';
import { fileBacking, fileOffsetOf } from './dma-spots.js';

/** How the host reaches the memory of a mapping, to compare with what a device sees. */
export interface HostView {
  read(mapping: MapChange, address: bigint, length: number): Buffer;
  write(mapping: MapChange, address: bigint, data: Uint8Array): void;
}

/**
 * As a VMM: by guest physical address. ROM is written through its file, as firmware is loaded.
 *
 * What is read is compared with the file, too. A device of the type1 model uses the same host addresses as the VMM: a wrong address would look
 * right to both.
 */
export class VmmView implements HostView {
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** @throws Error if the file has other bytes at the offset of the mapping */
  read(mapping: MapChange, address: bigint, length: number): Buffer {
    const seen = this.#memory.read(address, length);
    const stored = readBacking(mapping, address, length);
    if (stored?.equals(seen) === false) {
      throw new Error('the host address of the mapping leads to other bytes than the file has at its offset');
    }
    return seen;
  }

  write(mapping: MapChange, address: bigint, data: Uint8Array): void {
    if (mapping.writable) {
      this.#memory.write(address, data);
    } else {
      writeBacking(mapping, address, data);
    }
  }
}

/** The bytes in the file; `undefined` at an offset above 2^53, where Node cannot read. */
function readBacking(mapping: MapChange, address: bigint, length: number): Buffer | undefined {
  const position = fileOffsetOf({ mapping, address });
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) {
    return undefined;
  }
  const bytes = Buffer.alloc(length);
  readSync(fileBacking(mapping).mappable.fd, bytes, 0, length, Number(position));
  return bytes;
}

function writeBacking(mapping: MapChange, address: bigint, data: Uint8Array): void {
  const position = fileOffsetOf({ mapping, address });
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`file offset 0x${position.toString(16)} is above 2^53: Node cannot write there`);
  }
  writeSync(fileBacking(mapping).mappable.fd, data, 0, data.length, Number(position));
}
