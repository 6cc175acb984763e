import { writeSync } from 'node:fs';
import type { GuestMemory } from '../../binding/index.js';
import type { FileBacking, MapChange } from '../../streams/index.js';

/** How the host reaches the memory of a mapping, to compare with what a device sees. */
export interface HostView {
  read(mapping: MapChange, address: bigint, length: number): Buffer;
  write(mapping: MapChange, address: bigint, data: Uint8Array): void;
}

/** As a VMM: by guest physical address. ROM is written through its file, as firmware is loaded. */
export class VmmView implements HostView {
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
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
